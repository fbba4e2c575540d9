"""The historian of docs/examples: no row is lost, on SQLite and on a PostgreSQL server."""

import importlib.util
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

sa = pytest.importorskip("sqlalchemy")

from sqlalchemy.dialects import mssql, mysql  # noqa: E402  # only where it is installed
from sqlalchemy.schema import CreateTable  # noqa: E402

from core.client import Update  # noqa: E402
from core.client.results import updates_in  # noqa: E402
from core.protocol import objects as o  # noqa: E402
from core.protocol.elements import CounterQuality, Quality  # noqa: E402
from core.protocol.times import Cp24Time2a, Cp56Time2a  # noqa: E402
from tests.client.conftest import CA  # noqa: E402
from tests.support.ports import free_port  # noqa: E402
from tests.support.postgres import PostgresServer, why_not  # noqa: E402
from tests.support.vectors import octets, well_formed  # noqa: E402
from tests.support.windows import DEVELOPMENT_MODE  # noqa: E402
from tests.support.wire import HOST, asdu  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
PROGRAM = TOP / "docs" / "examples" / "historian.py"
RECEIVED = datetime(2026, 12, 11, 20, 10, 37, 123456, UTC)


def _load():
    spec = importlib.util.spec_from_file_location("historian", PROGRAM)
    module = sys.modules["historian"] = importlib.util.module_from_spec(spec)
    path = sys.path[:]
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


historian = _load()

needs_server = pytest.mark.skipif(bool(why_not()), reason=why_not())
has_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
POSTGRES = pytest.param("postgres", marks=[pytest.mark.postgres, needs_server])


@pytest.fixture(scope="module")
def server():
    with PostgresServer() as server:
        yield server


@pytest.fixture
def url(request, tmp_path):
    """An empty database of the kind that the test is run with, SQLite by default."""
    if getattr(request, "param", "sqlite") == "postgres":
        return request.getfixturevalue("server").new_database()
    return f"sqlite:///{tmp_path / 'history.db'}"


on_both = pytest.mark.parametrize("url", ["sqlite", POSTGRES], indirect=True)


def rows_in(url, order="ioa, value"):
    """All rows as dicts; none where there is no table yet, or no database."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text(f"select * from iec104_history order by {order}"))
            return [dict(row) for row in rows.mappings()]
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):
        return []
    finally:
        engine.dispose()


# what comes from the station


def tag_of(number):
    """A time of its own for each number."""
    return Cp56Time2a.of(
        ms=number % 60_000, minute=number // 60_000, hour=21, day=11, month=12, year=26
    )


def measured(number, ioa=100, cause=3):
    """M_ME_TF_1 with the number as its value and in its time."""
    element = struct.pack("<fB", number, 0) + tag_of(number).bits.to_bytes(7, "little")
    return asdu(36, ioa, element, cause)


def update(obj, type_id=36, cause=3, received=RECEIVED, **more):
    return Update(type_id, cause, CA, 0, obj, received, **more)


def row(number, **more):
    obj = o.ShortFloat(100, float(number), time=tag_of(number))
    return historian.row_of(update(obj, **more), "harbour")


# rows


def test_a_row_says_all_the_station_sent():
    tag = Cp56Time2a.of(
        ms=36_895, minute=10, hour=21, day=11, month=12, year=26, summer_time=True, weekday=5
    )
    obj = o.ShortFloat(1009, 76.25, Quality.INVALID | Quality.NOT_TOPICAL, tag)
    got = historian.row_of(update(obj, cause=20), "harbour")
    assert len(got.pop("id")) == 32
    assert got == {
        "time": datetime(2026, 12, 11, 21, 10, 36, 895_000),  # noqa: DTZ001  # as it was sent
        "time_flags": "summer time",
        "received": datetime(2026, 12, 11, 20, 10, 37, 123_000),  # noqa: DTZ001  # UTC, in ms
        "station": "harbour", "ca": CA, "ioa": 1009, "type_id": 36, "cause": 20, "value": 76.25,
        "quality": "not topical, invalid", "details": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("type_id", "obj", "expected"),
    [
        (1, o.SinglePoint(1, True),
         {"value": 1.0, "quality": "", "time": None, "time_flags": None}),
        (13, o.ShortFloat(1, float("nan")), {"value": None}),
        (13, o.ShortFloat(1, float("inf"), Quality.OVERFLOW),
         {"value": None, "quality": "overflow"}),
        (21, o.NormalizedOnly(1, 0.5), {"value": 0.5, "quality": None}),
        (7, o.Bitstring32(1, 2**32 - 1), {"value": 4294967295.0}),
        (5, o.StepPosition(1, -3, True), {"value": -3.0, "details": '{"transient": true}'}),
        (15, o.IntegratedTotal(1, 7, 3, CounterQuality.CARRY),
         {"value": 7.0, "quality": "carry", "details": '{"sequence": 3}'}),
        (20, o.PackedPoints(1, 5, 4), {"value": 5.0, "details": '{"changed": 4}'}),
        (36, o.ShortFloat(1, 1.0, time=Cp56Time2a(0)),
         {"time": None, "time_flags": "no such time"}),
        (36, o.ShortFloat(1, 1.0, time=Cp56Time2a.of(
            ms=0, minute=0, hour=0, day=1, month=1, year=26, invalid=True, substituted=True)),
         {"time": datetime(2026, 1, 1), "time_flags": "invalid, substituted"}),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_every_type_has_its_place_in_the_table(type_id, obj, expected):
    got = historian.row_of(update(obj, type_id), "harbour")
    assert {name: got[name] for name in expected} == expected


def test_a_tag_without_hour_is_given_the_nearest_one():
    local = RECEIVED.astimezone().replace(tzinfo=None)
    tag = Cp24Time2a.from_datetime(local)
    got = historian.row_of(update(o.SinglePoint(1, True, time=tag), 2), "harbour")
    assert got["time"] == local.replace(microsecond=123_000)


def test_what_is_sent_as_a_test_is_marked():
    assert row(1, test=True)["quality"] == "test"
    bad = o.ShortFloat(1, 1.0, Quality.INVALID, tag_of(1))
    got = historian.row_of(update(bad, test=True), "harbour")
    assert got["quality"] == "invalid, test"


def test_the_same_event_has_the_same_id_and_no_other_has():
    later = RECEIVED.replace(minute=50)
    assert row(1)["id"] == row(1, received=later)["id"]
    assert row(1)["id"][:12] == row(1, cause=20)["id"][:12] < row(2)["id"][:12]
    others = [row(1), row(2), row(1, cause=20), row(1, type_id=14), row(1, test=True)]
    assert len({one["id"] for one in others}) == len(others)
    summer = Cp56Time2a(tag_of(1).bits | 0x8000_0000)
    assert historian.row_of(update(o.ShortFloat(100, 1.0, time=summer)), "harbour") not in others


@pytest.mark.parametrize("tag", [None, Cp56Time2a(0), Cp56Time2a(tag_of(1).bits | 0x80_0000)])
def test_without_a_time_to_trust_every_object_is_an_event_of_its_own(tag):
    twice = [historian.row_of(update(o.ShortFloat(1, 1.0, time=tag)), "x")["id"] for _ in range(2)]
    assert twice[0] != twice[1]


@pytest.mark.parametrize(
    ("dialect", "column"), [(mysql.dialect(), "DATETIME(3)"), (mssql.dialect(), "DATETIME2(3)")]
)
def test_times_keep_their_milliseconds_where_a_plain_column_would_not(dialect, column):
    text = str(CreateTable(historian.history).compile(dialect=dialect))
    assert text.count(column) == 2


# the writer


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(historian, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(historian, "LONGEST_PAUSE", 0.2)


@contextmanager
def writing(url, **options):
    """A writer that has written all at the end."""
    options.setdefault("connect_args", {"timeout": 0.1} if url.startswith("sqlite") else {})
    engine = sa.create_engine(url, connect_args=options.pop("connect_args"))
    writer = historian.Writer(engine, **{"batch_seconds": 3600.0, **options})
    writer.start()
    try:
        yield writer
        writer.finish()
        assert writer.join(10), str(writer)
    finally:
        writer.give_up()


def wait_for(condition, within=10.0):
    deadline = time.monotonic() + within
    while not (got := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
    return got


@on_both
def test_a_full_batch_is_written_at_once_and_the_rest_at_the_end(url):
    with writing(url) as writer:
        for number in range(250):
            writer.put(row(number))
        wait_for(lambda: writer.written == 200)
        assert writer.waiting == 50
        assert len(rows_in(url)) == 200
    assert [one["value"] for one in rows_in(url)] == list(range(250))
    assert (writer.written, writer.waiting, writer.lost) == (250, 0, 0)


@on_both
def test_the_oldest_row_does_not_wait_longer_than_it_may(url):
    with writing(url, batch_seconds=0.2) as writer:
        for number in range(3):
            writer.put(row(number))
            wait_for(lambda number=number: writer.written == number + 1)
    assert len(rows_in(url)) == 3


@on_both
def test_what_comes_out_is_what_went_in(url):
    sent = [row(number) for number in range(3)] + [
        historian.row_of(update(o.StepPosition(1, -3, True), 5), "hafen ä"),
        historian.row_of(update(o.ShortFloat(2, float("nan")), 13), "harbour"),
    ]
    with writing(url) as writer:
        for one in sent:
            writer.put(one)
    got = rows_in(url, "id")
    for one in got:
        for name in ("time", "received"):
            if isinstance(one[name], str):  # SQLite's form of it
                one[name] = datetime.fromisoformat(one[name])
    assert got == sorted(sent, key=lambda one: one["id"])


@on_both
def test_every_vector_of_the_standard_finds_its_place(url):
    frames = [octets(vector) for vector in well_formed("I")]
    wanted = [frame for frame in frames if frame[6] in historian.ALL_TYPES]
    rows = [historian.row_of(one, "x") for frame in wanted for one in updates_in(frame, RECEIVED)]
    assert {one["type_id"] for one in rows} == historian.ALL_TYPES
    with writing(url) as writer:
        for one in rows:
            writer.put(one)
    assert (writer.lost, writer.written) == (0, len({one["id"] for one in rows}))


@on_both
def test_a_row_that_comes_again_is_stored_once(url):
    with writing(url, batch_rows=7) as writer:
        for number in (*range(10), *range(10), 3, 3, 3):
            writer.put(row(number))
    assert [one["value"] for one in rows_in(url)] == list(range(10))
    assert (writer.written, writer.repeated, writer.lost) == (10, 13, 0)


@on_both
def test_a_commit_of_which_no_word_came_back_leaves_nothing_double(url, quick, monkeypatch):
    with writing(url) as writer:
        insert, faults = writer._insert, [sa.exc.OperationalError("commit", {}, OSError("gone"))]

        def insert_and_lose_the_answer(rows, **options):
            insert(rows, **options)
            if faults:
                raise faults.pop()

        monkeypatch.setattr(writer, "_insert", insert_and_lose_the_answer)
        untagged = [historian.row_of(update(o.SinglePoint(1, True), 1), "x") for _ in range(5)]
        for one in untagged:
            writer.put(one)
    assert not faults
    assert len(rows_in(url)) == 5


def test_a_database_that_is_away_is_said_once_and_nothing_is_lost(
    tmp_path, quick, caplog, monkeypatch
):
    folder, tries = tmp_path / "later", []
    with writing(f"sqlite:///{folder}/history.db", keep=1000) as writer:
        write_once = writer._write_once
        monkeypatch.setattr(writer, "_write_once", lambda: (tries.append(1), write_once()))
        for number in range(1000):
            writer.put(row(number))
        wait_for(lambda: len(tries) > 3)
        folder.mkdir()
    assert [one["value"] for one in rows_in(f"sqlite:///{folder}/history.db")] == list(range(1000))
    assert caplog.text.count("cannot be written: OperationalError: unable to open") == 1
    assert caplog.text.count("is written again after") == 1
    assert "dropped" not in caplog.text
    assert writer.lost == 0


def test_what_waits_is_bounded_and_what_is_dropped_is_counted_and_said(tmp_path, quick, caplog):
    folder = tmp_path / "later"
    with writing(f"sqlite:///{folder}/history.db", keep=300) as writer:
        for number in range(100):
            writer.put(row(number))
        wait_for(lambda: "cannot be written" in caplog.text)  # with these hundred in hand
        for number in range(100, 5000):
            writer.put(row(number))
            assert writer.waiting <= 400
        assert writer.dropped == 4600
        folder.mkdir()
        wait_for(lambda: writer.written == 400)
    kept = [*range(100), *range(4700, 5000)]
    assert [one["value"] for one in rows_in(f"sqlite:///{folder}/history.db")] == kept
    assert caplog.text.count("300 rows wait: the oldest are dropped") == 1
    assert caplog.text.count("4600 rows were dropped") == 1
    assert writer.lost == 4600


def test_the_end_does_not_wait_for_ever_for_a_database_that_is_away(tmp_path, quick):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/none/history.db")
    writer = historian.Writer(engine)
    writer.start()
    for number in range(150):
        writer.put(row(number))
    writer.finish()
    assert not writer.join(0.3)
    writer.give_up()
    assert (writer.waiting, writer.lost) == (150, 150)
    assert "150 not written" in str(writer)


def test_an_end_that_makes_progress_is_waited_for(url, monkeypatch):
    with writing(url, batch_rows=1) as writer:
        insert = writer._insert
        monkeypatch.setattr(writer, "_insert", lambda rows: (time.sleep(0.1), insert(rows)))
        for number in range(10):
            writer.put(row(number))
        writer.finish()
        assert writer.join(0.5)
    assert writer.written == 10


@on_both
def test_a_row_that_is_refused_holds_up_no_other(url, caplog):
    engine = sa.create_engine(url)
    text = str(CreateTable(historian.history).compile(engine)).rstrip().removesuffix(")")
    with engine.begin() as connection:
        connection.execute(sa.text(f"{text}, CHECK (value <> 7))"))
    engine.dispose()
    with writing(url) as writer:
        for number in range(150):
            writer.put(row(number))
    assert [one["value"] for one in rows_in(url)] == [n for n in range(150) if n != 7]
    assert (writer.written, writer.refused, writer.lost) == (149, 1, 1)
    assert "refuses 1 rows, the first {'time'" in caplog.text
    assert "cannot be written" not in caplog.text


@on_both
def test_the_tables_columns_are_made_again_if_they_went_with_the_old_database(url, quick):
    with writing(url, batch_rows=1) as writer:
        writer.put(row(1))
        wait_for(lambda: writer.written == 1)
        engine = sa.create_engine(url)
        historian.metadata.drop_all(engine)
        engine.dispose()
        writer.put(row(2))
        wait_for(lambda: writer.written == 2)
    assert [one["value"] for one in rows_in(url)] == [2]


# the configuration


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


RTU = {"ip": "10.0.0.1"}
WRONG = [
    ("{", "is no JSON: Expecting"),
    ("[]", "the file must be an object in braces {}, not []"),
    ({}, "the file: rtu is missing"),
    ({"rtu": {}}, "rtu: ip is missing"),
    ({"rtu": {"ip": 5}}, "rtu: ip must be a text, not 5"),
    ({"rtu": {"ip": " "}}, "rtu: ip must be a text, not ' '"),
    ({"rtu": {**RTU, "port": 0}}, "rtu: port must be a whole number from 1 to 65535, not 0"),
    ({"rtu": {**RTU, "port": "x"}}, "rtu: port must be a whole number from 1 to 65535, not 'x'"),
    ({"rtu": {**RTU, "port": 2404.5}}, "rtu: port must be a whole number"),
    ({"rtu": {**RTU, "cheat_mode": "yes"}}, "rtu: cheat_mode must be true or false, not 'yes'"),
    ({"rtu": {**RTU, "prot": 1}}, "rtu: 'prot' is not known here"),
    ({"rtu": {**RTU, "name": "x" * 65}}, "rtu: name has 65 characters, 64 is the most"),
    ({"rtu": {**RTU, "log_path": "none/h.log"}}, "h.log cannot be written: No such file"),
    ({"rtu": RTU, "type": 36}, "the file: 'type' is not known here"),
    ({"rtu": RTU, "types": [36, 22]}, "types: 22 is no type of process information"),
    ({"rtu": RTU, "types": ["M_XX"]}, "types: 'M_XX' is no type of"),
    ({"rtu": RTU, "types": [125]}, "types: 125 is no type of process information, 1 to 41"),
    ({"rtu": RTU, "types": [[]]}, "types: [] is no type of"),
    ({"rtu": RTU, "types": []}, "types is empty"),
    ({"rtu": RTU, "types": {}}, "types: {} is no type"),
    ({"rtu": RTU, "batch": 5}, "batch must be an object in braces {}, not 5"),
    ({"rtu": RTU, "batch": {"rows": 0}}, "batch: rows must be a whole number from 1 to 1000"),
    ({"rtu": RTU, "batch": {"seconds": "NaN"}}, "batch: seconds must be a number from 0.01"),
    ({"rtu": RTU, "batch": {"keep": 99}}, "batch: keep must be a whole number from 100"),
    ({"rtu": RTU, "database": "x"}, "database must be an object in braces {}, not 'x'"),
    ({"rtu": RTU, "database": {}}, "database: url is missing"),
    ({"rtu": RTU, "database": {"url": "x"}}, "database: Could not parse SQLAlchemy URL"),
    ({"rtu": RTU, "database": {"url": "x://"}}, "database: Can't load plugin"),
    ({"rtu": RTU, "database": {"url": "sqlite://", "x": 1}}, "database: 'x' is not known here"),
    ({"rtu": RTU, "database": {"url": "sqlite://", "options": {"x": 1}}}, "database: Invalid arg"),
    ({"rtu": RTU, "database": {"host": "h"}}, "database: user is missing"),
    ({"rtu": RTU, "database": {"url": "sqlite+nosuch://"}}, "database: Can't load plugin"),
    ({"rtu": RTU, "azure": {"server": "s"}}, "azure: user is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_what_is_wrong_with_the_configuration_is_said_in_one_line(tmp_path, capsys, content, said):
    path = write(tmp_path / "config.json", content)
    with pytest.raises(SystemExit) as ended:
        historian.main([str(path)])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"historian: {path}: ")
    assert said in told
    assert told.count("\n") == 1


def test_a_configuration_that_is_not_there_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        historian.main([str(tmp_path / "config.json")])
    assert "config.json: cannot be read: No such file" in capsys.readouterr().err


def test_a_driver_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    path = write(tmp_path / "c.json", {"rtu": RTU, "database": {"url": "mysql://u@h/d"}})
    with pytest.raises(historian.ConfigError, match="database: the driver MySQLdb is not inst"):
        historian.read_config(path)


def test_what_is_left_out_has_its_default(tmp_path):
    config = historian.read_config(write(tmp_path / "c.json", {"rtu": RTU}))
    assert (config.host, config.port, config.station) == ("10.0.0.1", 2404, "10.0.0.1:2404")
    assert config.is_tolerant
    assert config.types == {36}
    assert (config.batch_rows, config.batch_seconds, config.keep) == (100, 60.0, 100_000)
    assert config.log_path == tmp_path / "historian.log"
    assert [one.url.drivername for one in config.engines] == ["sqlite"]
    assert [one.url.database for one in config.engines] == [str(tmp_path / "historian.db")]


def test_the_sample_can_be_used():
    config = historian.read_config(PROGRAM.with_name("historian.json"))
    assert config.engines[0].url.get_backend_name() == "sqlite"


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([36, "M_SP_NA_1"], {1, 36}),
        (36, {36}),
        ("M_SP_NA_1", {1}),
        ("all", set(range(1, 22)) | set(range(30, 42))),
    ],
)
def test_types_are_numbers_or_names(tmp_path, types, expected):
    path = write(tmp_path / "c.json", {"rtu": RTU, "types": types})
    assert historian.read_config(path).types == expected


def test_two_databases_given_in_parts(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(historian.sa, "create_engine", lambda url, **options: made.append(url))
    parts = {"host": "db", "user": "me", "password": "p@ss/word", "db_name": "history"}
    azure = {"server": "x.example", "user": "me", "password": "s", "database": "d", "port": 1433}
    content = {"rtu": RTU, "database": parts, "azure": azure}
    historian.read_config(write(tmp_path / "c.json", content))
    assert [one.render_as_string(hide_password=False) for one in made] == [
        "postgresql+psycopg://me:p%40ss%2Fword@db/history",
        "mssql+pyodbc://me:s@x.example:1433/d?driver=ODBC+Driver+18+for+SQL+Server",
    ]
    content["database"]["driver"] = "mysql+pymysql"
    historian.read_config(write(tmp_path / "c.json", content))
    assert made[2].drivername == "mysql+pymysql"
    assert not made[2].query


def test_no_secret_is_in_the_name_of_a_database():
    url = sa.make_url("mssql+pyodbc://me:secret@h:1/d?odbc_connect=PWD%3Dsecret")
    assert historian._name_of(url) == "mssql://h:1/d"


# the program


class Running:
    """The program as a process of its own."""

    def __init__(self, folder, rtu, database, program=PROGRAM, environment=None, **content):
        self.folder = folder
        databases = database if isinstance(database, dict) else {"database": {"url": database}}
        path = write(folder / "config.json", {
            "rtu": {"ip": HOST, "port": rtu.port, "log_path": "told.log", "name": "harbour"},
            **databases, **content,
        })  # fmt: skip
        self.console = folder / "console"
        with self.console.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *DEVELOPMENT_MODE, "-W", "error", str(program), str(path)],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    @property
    def told(self):
        return self.console.read_text("utf-8")

    def end(self, how=signal.SIGINT, within=20.0, code=0):
        """Tell it to end; what it told."""
        self.process.send_signal(how)
        assert self.process.wait(within) == code, self.told
        assert "Traceback" not in self.told, self.told
        assert "Warning:" not in self.told, self.told
        return self.told


def is_started(rtu):
    return wait_for(lambda: rtu.is_started, 20)


def all_sent(rtu):
    """Whatever the station has put on the wire arrives before its answer to STOPDT."""
    wait_for(lambda: not rtu.queue, 20)


@has_signals
@pytest.mark.posix
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
@on_both
def test_the_last_batch_is_written_at_the_end(url, wire, rtu, tmp_path, how):
    with Running(tmp_path, rtu, url) as program:
        is_started(rtu)
        rtu.send(*(measured(number) for number in range(130)))
        wait_for(lambda: len(rows_in(url)) == 100)
        all_sent(rtu)
        told = program.end(getattr(signal, how))
    rows = rows_in(url)
    assert [one["value"] for one in rows] == list(range(130))
    assert {one["station"] for one in rows} == {"harbour"}
    assert f"stopping: {how}" in told
    assert "130 rows written, 0 repeated, 0 refused, 0 dropped, 0 not written" in told
    assert (tmp_path / "told.log").read_text("utf-8") == told


@has_signals
@pytest.mark.posix
def test_it_waits_for_nothing_and_ends_at_once_when_idle(url, wire, rtu, tmp_path):
    with Running(tmp_path, rtu, url) as program:
        is_started(rtu)
        begun = time.monotonic()
        program.end()
        assert time.monotonic() - begun < 5
    assert rows_in(url) == []


@has_signals
@pytest.mark.posix
def test_rows_are_written_in_time_though_nothing_more_comes(url, wire, rtu, tmp_path):
    with Running(tmp_path, rtu, url, batch={"seconds": 0.3}) as program:
        is_started(rtu)
        rtu.send(*(measured(number) for number in range(3)))
        wait_for(lambda: len(rows_in(url)) == 3)
        program.end()


@has_signals
@pytest.mark.posix
@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([36], [(36, 100.0)]),
        (["M_ME_TF_1", 3], [(36, 100.0), (3, 2.0)]),
        ("all", [(1, 1.0), (36, 100.0), (1, 0.0), (1, 1.0), (3, 2.0), (13, 50.0), (9, 0.5)]),
    ],
)
def test_only_the_wanted_types_are_kept(url, wire, rtu, tmp_path, types, expected):
    with Running(tmp_path, rtu, url, types=types) as program:
        is_started(rtu)
        unknown, answer = asdu(200, 1, b"??", 3), asdu(45, 1, b"\1", 7)
        rtu.send(*rtu.points, unknown, answer, asdu(70, 0, b"\0", 4), measured(100))
        all_sent(rtu)
        program.end()
    rows = rows_in(url)
    assert sorted((one["type_id"], one["value"]) for one in rows) == sorted(expected)


@has_signals
@pytest.mark.posix
def test_a_lost_station_is_dialled_again(url, wire, rtu, tmp_path):
    with Running(tmp_path, rtu, url, batch={"rows": 10}) as program:
        is_started(rtu)
        rtu.send(*(measured(number) for number in range(10)))
        wait_for(lambda: len(rows_in(url)) == 10)
        rtu.kill()
        rtu.restart()
        is_started(rtu)
        # The station repeats what it had no acknowledgement for, and goes on.
        rtu.send(*(measured(number) for number in range(5, 20)))
        wait_for(lambda: len(rows_in(url)) == 15)
        all_sent(rtu)
        told = program.end()
    assert [one["value"] for one in rows_in(url)] == list(range(20))
    assert "20 rows written, 5 repeated" in told
    assert "lost" in told


@has_signals
@pytest.mark.posix
@pytest.mark.postgres
@needs_server
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_no_row_is_lost_over_a_restart_of_the_database(server, wire, rtu, tmp_path, how):
    url = server.new_database()
    with Running(tmp_path, rtu, url, batch={"seconds": 0.5}) as program:
        is_started(rtu)
        sent = 0

        def send(count):
            nonlocal sent
            rtu.send(*(measured(number) for number in range(sent, sent + count)))
            sent += count

        send(1234)
        wait_for(lambda: len(rows_in(url)) >= 500)
        server.stop(how)  # in the middle of it
        send(1000)
        wait_for(lambda: "cannot be written" in program.told)
        send(1000)
        server.start()
        send(1000)
        wait_for(lambda: "is written again" in program.told, 30)
        send(66)
        all_sent(rtu)
        told = program.end()
    assert [one["value"] for one in rows_in(url)] == list(range(4300))
    assert told.count("cannot be written") == 1
    assert "0 refused, 0 dropped, 0 not written" in told


@has_signals
@pytest.mark.posix
def test_no_row_is_lost_while_another_program_holds_the_file(wire, rtu, tmp_path):
    url = f"sqlite:///{tmp_path / 'history.db'}"
    database = {"database": {"url": url, "options": {"connect_args": {"timeout": 0.1}}}}
    with Running(tmp_path, rtu, database, batch={"rows": 10}) as program:
        is_started(rtu)
        rtu.send(*(measured(number) for number in range(10)))
        wait_for(lambda: len(rows_in(url)) == 10)
        with closing(sqlite3.connect(tmp_path / "history.db")) as other:
            other.execute("begin exclusive")
            rtu.send(*(measured(number) for number in range(10, 1000)))
            wait_for(lambda: "database is locked" in program.told)
        wait_for(lambda: len(rows_in(url)) == 990 + 10)
        program.end()


@has_signals
@pytest.mark.posix
def test_one_database_that_is_away_does_not_hold_up_the_other(url, wire, rtu, tmp_path):
    both = {"database": {"url": url}, "azure": {"url": f"sqlite:///{tmp_path}/none/history.db"}}
    with Running(tmp_path, rtu, both) as program:
        is_started(rtu)
        rtu.send(*(measured(number) for number in range(130)))
        wait_for(lambda: "cannot be written" in program.told)
        wait_for(lambda: len(rows_in(url)) == 100)
        all_sent(rtu)
        program.process.send_signal(signal.SIGTERM)
        wait_for(lambda: len(rows_in(url)) == 130)
        told = program.end(signal.SIGINT, within=5, code=1)  # no patience with the other one
    assert "stopped without waiting" in told
    assert "none/history.db: 0 rows written, 0 repeated, 0 refused, 0 dropped, 130 not" in told
    assert "130 rows written" in told


@has_signals
@pytest.mark.posix
def test_a_copy_elsewhere_runs_with_what_is_installed(url, wire, rtu, tmp_path):
    copy = Path(shutil.copy(PROGRAM, tmp_path))
    with Running(tmp_path, rtu, url, copy, {"PYTHONPATH": str(TOP)}) as program:
        is_started(rtu)
        program.end()


def test_without_sqlalchemy_it_says_what_to_install(tmp_path):
    write(tmp_path / "sqlalchemy.py", "raise ModuleNotFoundError('no', name='sqlalchemy')")
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "config.json"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_station_may_come_later(url, wire, tmp_path):
    """With no station to connect to it goes on trying; a port nobody listens on stands for it."""
    later = wire.rtu(free_port(), CA, listen=False)
    with Running(tmp_path, later, url) as program:
        wait_for(lambda: "no connection" in program.told, 20)
        later.listen()
        is_started(later)
