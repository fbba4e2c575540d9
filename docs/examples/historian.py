"""A historian: what a station reports is written to a table in one database or two.

    python docs/examples/historian.py config.json

Needs the extra `historian` (SQLAlchemy 2) and, for anything but SQLite, the driver of the database.
docs/client.md describes the configuration and the table.

One thread per database writes, so that a database that is away holds up neither the station nor the
other database. Rows wait in memory until they are committed: a bounded number of them.
"""

import argparse
import itertools
import json
import logging
import math
import signal
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from hashlib import blake2b
from logging.handlers import RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, Final, TypeAlias

TOP = Path(__file__).resolve().parent.parent.parent
if (TOP / "core" / "client").is_dir():  # in a checkout; a copy elsewhere uses what is installed
    sys.path.insert(0, str(TOP))

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mssql, mysql
except ModuleNotFoundError:
    sys.exit("historian: SQLAlchemy is missing: pip install 'sqlalchemy>=2.0,<3'")

from core.client import IEC104Client, Update
from core.client.definitions import TypeId
from core.protocol.times import Cp24Time2a, Cp56Time2a

_log = logging.getLogger("historian")

Row: TypeAlias = dict[str, Any]

FIRST_PAUSE: Final = 1.0
"""Seconds until a failed batch is tried again; doubled each time, up to the longest."""
LONGEST_PAUSE: Final = 30.0
FINISH: Final = 10.0
"""Seconds a database may take to its next batch when the program ends."""
REFUSALS: Final = (sa.exc.DataError, sa.exc.IntegrityError)
"""The database works and does not take a row: it is there already, or not to its liking."""
LOG_OCTETS: Final = 10_000_000
EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # times are as the station sent them: no zone

# --- the table ----------------------------------------------------------------------------------

MILLISECONDS = (
    sa.DateTime()
    .with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
    .with_variant(mssql.DATETIME2(3), "mssql")
)
"""These two would round to seconds, or to 3.3 ms, otherwise."""

metadata = sa.MetaData()
history = sa.Table(
    "iec104_history",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("time", MILLISECONDS),
    sa.Column("time_flags", sa.String(60)),
    sa.Column("received", MILLISECONDS, nullable=False),
    sa.Column("station", sa.String(64), nullable=False),
    sa.Column("ca", sa.Integer, nullable=False),
    sa.Column("ioa", sa.Integer, nullable=False),
    sa.Column("type_id", sa.Integer, nullable=False),
    sa.Column("cause", sa.Integer, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("quality", sa.String(100)),
    sa.Column("details", sa.String(400)),
    sa.Index("iec104_history_by_point", "station", "ca", "ioa", "time"),
)

_own_columns = {"ioa", "value", "event", "status", "quality", "time"}
_this_run = uuid.uuid4().hex
_numbers = itertools.count()


def row_of(update: Update, station: str) -> Row:
    """One object as a row.

    Its ``id`` makes writing it again harmless. An object with a usable time tag has the same id
    whenever it comes with the same content, so what a station repeats after a lost connection is
    stored once. All others get one that no other row has. The id begins with the time, so that new
    rows land at the end of its index.
    """
    received = _cut(update.received.replace(tzinfo=None))
    moment, flags, is_usable = _time(update)
    value = None if update.value is None else float(update.value)
    quality = None if update.quality is None else _names(update.quality)
    if update.test:
        quality = f"{quality}, test" if quality else "test"
    more = {f.name: getattr(update.obj, f.name) for f in fields(update.obj)}
    details = {name: content for name, content in more.items() if name not in _own_columns}
    row = {
        "time": moment,
        "time_flags": flags,
        "station": station,
        "ca": update.ca,
        "ioa": update.ioa,
        "type_id": int(update.type_id),
        "cause": int(update.cause),
        # Not every database has a place for NaN and the infinite.
        "value": value if value is not None and math.isfinite(value) else None,
        "quality": quality,
        "details": json.dumps(details) if details else None,
    }
    only_once = "" if is_usable else f"{_this_run} {next(_numbers)}"
    digest = blake2b(f"{row} {value} {only_once}".encode(), digest_size=10).hexdigest()
    since = (moment or received) - EPOCH
    return row | {
        "id": f"{since // timedelta(milliseconds=1):012x}{digest}",
        "received": received,
    }


def _time(update: Update) -> tuple[datetime | None, str | None, bool]:
    """The time as sent, its flags, and whether it tells one event from the next."""
    tag = update.tag
    if tag is None:
        return None, None, False
    flags = [
        name.replace("_", " ")
        for name in ("invalid", "substituted", "summer_time")
        if getattr(tag, name, False)
    ]
    if isinstance(tag, Cp56Time2a):
        moment = tag.to_datetime()
    else:  # minutes only: the hour is the one nearest to now
        assert isinstance(tag, Cp24Time2a)
        moment = tag.to_datetime(update.received.astimezone().replace(tzinfo=None))
    if moment is None:
        flags.append("no such time")
    return moment, ", ".join(flags), moment is not None and not tag.invalid


def _names(quality: Any) -> str:
    return ", ".join(flag.name.lower().replace("_", " ") for flag in quality)


def _cut(moment: datetime) -> datetime:
    """To whole milliseconds, which all databases keep alike."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


# --- writing ------------------------------------------------------------------------------------


class Writer:
    """Brings rows into one database, on a thread of its own.

    A batch is written once ``batch_rows`` wait, or when its oldest row has waited for
    ``batch_seconds``. While the database is away up to ``keep`` rows wait beside the batch in
    hand; then the oldest make way, and are counted.
    """

    def __init__(
        self, engine: sa.Engine, *, batch_rows: int = 100, batch_seconds: float = 60.0,
        keep: int = 100_000,
    ) -> None:  # fmt: skip
        self.written = 0
        self.repeated = 0
        """Rows that were in the table already."""
        self.refused = 0
        """Rows that the database, though it works, does not take."""
        self.dropped = 0
        """Rows that made way for newer ones."""
        self.name = _name_of(engine.url)
        self._engine = engine
        self._batch_rows = batch_rows
        self._batch_seconds = batch_seconds
        self._keep = keep
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, Row]] = deque()  # each with the time it is due
        self._batch: list[Row] = []
        self._has_table = False
        self._is_ending = False
        self._has_given_up = False
        self._away_since: float | None = None
        self._dropped_before: int | None = None  # None: nothing is being dropped
        self._thread = threading.Thread(target=self._run, name=f"writer {self.name}", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, row: Row) -> None:
        """Have a row written; never waits."""
        with self._changed:
            if len(self._waiting) >= self._keep:
                self._waiting.popleft()
                if self._dropped_before is None:
                    self._dropped_before = self.dropped
                    _log.warning(
                        "%s: %d rows wait: the oldest are dropped from now on",
                        self.name, self._keep,
                    )  # fmt: skip
                self.dropped += 1
            self._waiting.append((time.monotonic() + self._batch_seconds, row))
            if len(self._waiting) == 1 or len(self._waiting) >= self._batch_rows:
                self._changed.notify_all()

    def finish(self) -> None:
        """Write what waits, at once, and end; :meth:`join` waits for that."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    def join(self, patience: float) -> bool:
        """Whether all is written; False once no row was for so many seconds."""
        done, since = self._done, time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.2)  # short: on Windows Ctrl+C is heard only between two waits
            if done != self._done:
                done, since = self._done, time.monotonic()
            elif time.monotonic() - since > patience:
                return False
        return True

    def give_up(self) -> None:
        """Try no more."""
        with self._changed:
            self._is_ending = self._has_given_up = True
            self._changed.notify_all()
        self._thread.join(0.5)  # longer only inside a driver that waits for its database

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        with self._changed:
            return len(self._waiting) + len(self._batch)

    @property
    def _done(self) -> int:
        return self.written + self.repeated + self.refused

    @property
    def lost(self) -> int:
        """Rows that are in no database once the writer has ended."""
        return self.dropped + self.refused + self.waiting

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.written} rows written, {self.repeated} repeated, {self.refused} "
            f"refused, {self.dropped} dropped, {self.waiting} not written"
        )

    # The thread's own

    def _run(self) -> None:
        while self._take_batch() and self._write():
            pass
        self._engine.dispose()

    def _take_batch(self) -> bool:
        """Wait for rows that are due; False if there are none and there will be none."""
        with self._changed:
            while len(self._waiting) < self._batch_rows and not self._is_ending:
                left = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            count = min(len(self._waiting), self._batch_rows)
            self._batch = [self._waiting.popleft()[1] for _ in range(count)]
            return count > 0

    def _write(self) -> bool:
        """Write the batch, however long that takes; False if it was given up."""
        pause = FIRST_PAUSE
        while not self._has_given_up:
            try:
                self._write_once()
            except Exception as error:  # whatever a driver raises, the rows are kept
                self._note_failure(error)
            else:
                self._note_success()
                return True
            with self._changed:
                if self._is_ending:
                    self._changed.wait_for(lambda: self._has_given_up, FIRST_PAUSE)
                else:
                    self._changed.wait_for(lambda: self._is_ending, pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return False

    def _write_once(self) -> None:
        if not self._has_table:
            with self._engine.begin() as connection:
                metadata.create_all(connection)
            self._has_table = True
        try:
            self._insert(self._batch)
        except REFUSALS:
            try:
                self._insert(self._batch, besides_known=True)
            except REFUSALS:
                self._insert_singly()

    def _insert(self, rows: list[Row], *, besides_known: bool = False) -> None:
        """In one transaction: all, or all but those that are there."""
        new = {row["id"]: row for row in rows}
        with self._engine.begin() as connection:
            if besides_known:  # only when need be: looking each row up costs more than writing it
                is_one = history.c.id.in_(list(new))
                for known in connection.scalars(sa.select(history.c.id).where(is_one)).all():
                    del new[known]
            if new:
                connection.execute(sa.insert(history), list(new.values()))
        self.written += len(new)
        self.repeated += len(rows) - len(new)

    def _insert_singly(self) -> None:
        """Something in the batch is refused: find it, and keep the rest."""
        before, first = self.refused, ""
        while self._batch:
            try:
                self._insert(self._batch[:1], besides_known=True)
            except REFUSALS as error:
                self.refused += 1
                first = first or f"{self._batch[0]}: {_reason(error)}"
            with self._changed:
                del self._batch[0]
        if first:
            _log.warning(
                "%s refuses %d rows, the first %s", self.name, self.refused - before, first
            )

    def _note_failure(self, error: Exception) -> None:
        self._has_table = False  # it may come back without it
        self._engine.dispose()  # and none of its connections is worth anything
        if self._away_since is None:
            self._away_since = time.monotonic()
            _log.warning(
                "%s cannot be written: %s; trying again, up to %d rows are kept meanwhile",
                self.name, _reason(error), self._keep,
            )  # fmt: skip

    def _note_success(self) -> None:
        with self._changed:
            self._batch = []
            waiting, dropped = len(self._waiting), 0
            is_calm = waiting <= self._keep // 2
            if self._dropped_before is not None and is_calm:
                dropped = self.dropped - self._dropped_before
                self._dropped_before = None
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self._away_since = None
            _log.warning("%s is written again after %.0f s, %d rows wait", self.name, away, waiting)
        if dropped:
            _log.warning("%s: %d rows were dropped, nothing any more", self.name, dropped)


def _name_of(url: sa.URL) -> str:
    """The database for people, without anything secret."""
    place = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    return f"{url.get_backend_name()}://{place}/{url.database or ''}"


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {' '.join(str(cause).split())[:200]}"


# --- the configuration --------------------------------------------------------------------------


class ConfigError(Exception):
    """What is wrong with the configuration, in one line."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the file says."""

    host: str
    port: int
    station: str
    is_tolerant: bool
    log_path: Path
    engines: tuple[sa.Engine, ...]
    types: frozenset[int]
    batch_rows: int
    batch_seconds: float
    keep: int


ALL_TYPES: Final = frozenset(int(one) for one in TypeId if one < 45)
"""Process information in monitor direction."""


def read_config(path: Path) -> Config:
    """The configuration in a JSON file; ConfigError if it cannot be used."""
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"is no JSON: {error}") from None
    folder = path.resolve().parent
    top = Section("the file", content)
    rtu = Section("rtu", top.take("rtu"))
    batch = Section("batch", top.take("batch", {}))
    host, port = rtu.text("ip"), int(rtu.number("port", 2404, 1, 65535))
    rows = int(batch.number("rows", 100, 1, 1000))
    config = Config(
        host=host,
        port=port,
        station=rtu.text("name", f"{host}:{port}"),
        is_tolerant=rtu.flag("cheat_mode", True),
        log_path=folder / rtu.text("log_path", "historian.log"),
        engines=_engines(top, folder),
        types=_types(top.take("types", [36])),
        batch_rows=rows,
        batch_seconds=batch.number("seconds", 60, 0.01, 86400, is_whole=False),
        keep=int(batch.number("keep", 100_000, rows, 100_000_000)),
    )
    for section in (rtu, batch, top):
        section.demand_empty()
    if len(config.station) > 64:
        raise ConfigError(f"rtu: name has {len(config.station)} characters, 64 is the most")
    return config


class Section:
    """An object of the file; each key is taken out once, and what is left is a mistake."""

    def __init__(self, name: str, content: object) -> None:
        if not isinstance(content, dict):
            raise ConfigError(f"{name} must be an object in braces {{}}, not {content!r}")
        self.name = name
        self.left = dict(content)

    def take(self, key: str, default: object = None) -> Any:
        """Whatever stands there; without a default it must be there."""
        found = self.left.pop(key, default)
        if found is None:
            raise ConfigError(f"{self.name}: {key} is missing")
        return found

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty."""
        found = self.take(key, default)
        if not isinstance(found, str) or not found.strip():
            raise ConfigError(f"{self.name}: {key} must be a text, not {found!r}")
        return found.strip()

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        found = self.take(key, default)
        if not isinstance(found, bool):
            raise ConfigError(f"{self.name}: {key} must be true or false, not {found!r}")
        return found

    def number(
        self, key: str, default: float | None, least: float, most: float, *, is_whole: bool = True
    ) -> float:
        """A number within limits, also as a text."""
        found = self.take(key, default)
        kind = "whole number" if is_whole else "number"
        try:
            number = float(str(found))
            if not least <= number <= most or (is_whole and number != int(number)):
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"{self.name}: {key} must be a {kind} from {least} to {most}, not {found!r}"
            ) from None
        return number

    def demand_empty(self) -> None:
        """ConfigError if anything is left."""
        if self.left:
            raise ConfigError(f"{self.name}: {next(iter(self.left))!r} is not known here")


def _types(wanted: Any) -> frozenset[int]:
    if wanted == "all":
        return ALL_TYPES
    found = set()
    for one in wanted if isinstance(wanted, list) else [wanted]:
        number = getattr(TypeId, one, 0) if isinstance(one, str) else one
        if not isinstance(number, int) or number not in ALL_TYPES:
            raise ConfigError(
                f"types: {one!r} is no type of process information, 1 to 41, such as 36 or "
                '"M_ME_TF_1"; "all" takes all'
            )
        found.add(int(number))
    if not found:
        raise ConfigError('types is empty; "all" takes all')
    return frozenset(found)


def _engines(top: Section, folder: Path) -> tuple[sa.Engine, ...]:
    """Of the databases in the file; SQLite if there is none."""
    drivers = {"database": "postgresql+psycopg", "azure": "mssql+pyodbc"}
    found = [name for name in drivers if name in top.left]
    if not found:
        return (_engine(Section("database", {"url": "sqlite:///historian.db"}), folder, ""),)
    return tuple(_engine(Section(one, top.take(one)), folder, drivers[one]) for one in found)


def _engine(section: Section, folder: Path, driver: str) -> sa.Engine:
    """From a URL, or from the parts of one."""
    options = section.take("options", {})
    try:
        if "url" in section.left:
            url = sa.make_url(section.text("url"))
        else:
            url = _url_of_parts(section, driver)
        section.demand_empty()
        if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
            url = url.set(database=str(folder / url.database))
        return sa.create_engine(url, pool_pre_ping=True, **options)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{section.name}: the driver {error.name} is not installed") from None
    except (sa.exc.ArgumentError, TypeError, ValueError) as error:
        raise ConfigError(f"{section.name}: {' '.join(str(error).split())}") from None


def _url_of_parts(section: Section, driver: str) -> sa.URL:
    if not {"host", "server"} & set(section.left):
        raise ConfigError(f"{section.name}: url is missing (or host, user, password and db_name)")
    driver = section.text("driver", driver)
    odbc = {"driver": "ODBC Driver 18 for SQL Server"} if driver == "mssql+pyodbc" else {}
    return sa.URL.create(
        driver,
        username=section.text("user"),
        password=section.text("password"),
        host=section.text("server" if "server" in section.left else "host"),
        port=int(section.number("port", 0, 0, 65535)) or None,
        database=section.text("database" if "database" in section.left else "db_name"),
        query=odbc,
    )


def start_log(path: Path) -> None:
    """Log to the file and to the console; ConfigError if the file cannot be written."""
    try:
        file = RotatingFileHandler(path, maxBytes=LOG_OCTETS, backupCount=3, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"rtu: log_path {path} cannot be written: {error.strerror or error}"
        ) from None
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[file, logging.StreamHandler()],
    )


# --- the program --------------------------------------------------------------------------------


def run(config: Config) -> int:
    """Collect until a signal ends it; the exit code: 0 if nothing that was received is lost."""
    writers = [
        Writer(
            engine, batch_rows=config.batch_rows, batch_seconds=config.batch_seconds,
            keep=config.keep,
        )
        for engine in config.engines
    ]  # fmt: skip
    client = IEC104Client(config.host, config.port, config.is_tolerant)
    ends: SimpleQueue[str] = SimpleQueue()  # the one queue that a signal handler may put into

    def stop_when_told() -> None:
        _log.info("stopping: %s", ends.get())
        client.stop()

    stopper = threading.Thread(target=stop_when_told, name="stopper", daemon=True)
    stopper.start()
    for writer in writers:
        writer.start()
    with signals_into(ends):
        try:
            client.start()
            names = ", ".join(writer.name for writer in writers)
            _log.info("collecting from %s:%d into %s", config.host, config.port, names)
            # Goes on until the client is stopped and all it had received is read: it has
            # acknowledged that, so the station will not send it again.
            for update in client:
                if update.type_id in config.types:
                    row = row_of(update, config.station)
                    for writer in writers:
                        writer.put(row)
        finally:
            ends.put("the program ends")
            stopper.join()
            finish(writers)
    if client.frames_dropped:
        _log.warning("%d frames came faster than they were read", client.frames_dropped)
    return 0 if not client.frames_dropped and not any(one.lost for one in writers) else 1


def finish(writers: list[Writer]) -> None:
    """Have the last rows written; a database that is away, or Ctrl+C again, ends the wait."""
    for writer in writers:
        writer.finish()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for writer in writers:
            writer.join(FINISH)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _log.warning("stopped without waiting for the last rows")
    for writer in writers:
        writer.give_up()
        _log.log(logging.WARNING if writer.lost else logging.INFO, "%s", writer)


@contextmanager
def signals_into(queue: "SimpleQueue[str]") -> Iterator[None]:
    """Ctrl+C, SIGTERM and Ctrl+Break are put there by their names."""

    def put(number: int, _: FrameType | None) -> None:
        queue.put(signal.Signals(number).name)

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, put) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: list[str] | None = None) -> int:
    """The program; 2 for a configuration that cannot be used."""
    parser = argparse.ArgumentParser(description="Write what an RTU reports into a database.")
    parser.add_argument("config", type=Path, help="a JSON file, see docs/client.md")
    path = parser.parse_args(arguments).config
    try:
        config = read_config(path)
        start_log(config.log_path)
    except ConfigError as error:
        parser.exit(2, f"historian: {path}: {error}\n")
    return run(config)


if __name__ == "__main__":
    sys.exit(main())
