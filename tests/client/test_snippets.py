"""What docs/client.md shows is run as it stands there, and what it lists is all there is."""

import importlib.util
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import core.client
from core.client import IEC104Client, IEC104Error
from tests.client.test_tls import TlsStation, certificate  # noqa: F401  # used as a fixture
from tests.support.ports import free_port
from tests.support.windows import DEVELOPMENT_MODE
from tests.support.wire import HOST

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "docs" / "client.md").read_text("utf-8")
README = re.search(
    r"^## Client library$.*?^```python\n(.*?)^```$",
    (TOP / "README.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)[1]
_BLOCK = re.compile(r"<!-- (run|prints): (\w+) -->\n```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = {(kind, name): text for kind, name, _, text in _BLOCK.findall(TEXT)}


def test_every_program_in_the_text_is_run_by_a_test():
    ours = {"imports", "station", "client", "frames", "callbacks", "errors", "tls"}
    assert {name for kind, name in BLOCKS if kind == "run"} == ours | {"historian", "query"}
    assert len(re.findall(r"^```(?:python|json|sql)$", TEXT, re.MULTILINE)) == len(ours) + 2


def program(name, port, folder):
    """A file with the snippet, which speaks to another port than the text says."""
    path = folder / f"{name}.py"
    text = README if name == "readme" else BLOCKS["run", name]
    text = re.sub(r"\b(2404|19998)\b", str(port), text).replace("192.0.2.10", HOST)
    path.write_text(text, "utf-8")
    return path


def arguments_for(path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TOP), str(TOP / "core")))}
    strict = [sys.executable, *DEVELOPMENT_MODE, "-W", "error", str(path)]
    return {"args": strict, "cwd": path.parent, "env": environment}


def printed_by(name, port, folder):
    done = subprocess.run(
        **arguments_for(program(name, port, folder)),
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_import_lines(tmp_path):
    assert printed_by("imports", 1, tmp_path) == ""


@pytest.fixture
def station(tmp_path):
    """The port of the text's own station, in a process of its own."""
    port = free_port()
    told = tmp_path / "station.told"
    with told.open("wb") as output:
        process = subprocess.Popen(
            **arguments_for(program("station", port, tmp_path)), stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + 30
        while not is_listening(port):
            assert process.poll() is None, told.read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.05)
        yield port
        assert process.poll() is None, told.read_text("utf-8")
    finally:
        process.kill()
        process.wait(10)
    assert told.read_text("utf-8") == ""


def is_listening(port):
    """Without a connection, which the station would take for a client."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
        return False


@pytest.mark.parametrize("name", ["client", "frames", "callbacks", "errors"])
def test_a_client_prints_what_the_text_says(station, tmp_path, name):
    assert printed_by(name, station, tmp_path) == BLOCKS["prints", name]


def test_the_client_of_the_readme(station, tmp_path):
    assert printed_by("readme", station, tmp_path) == "M_SP_NA_1 100 False\nM_ME_NC_1 1009 76.25\n"


def test_the_station_serves_one_client_after_the_other(station, tmp_path):
    for _ in range(2):
        assert printed_by("errors", station, tmp_path) == BLOCKS["prints", "errors"]


def test_the_client_with_tls(certificate, tmp_path):  # noqa: F811  # the fixture
    (tmp_path / "station.pem").write_bytes((certificate / "cert.pem").read_bytes())
    with TlsStation(certificate) as server:
        assert printed_by("tls", server.port, tmp_path) == BLOCKS["prints", "tls"]


def historian():
    pytest.importorskip("sqlalchemy")
    spec = importlib.util.spec_from_file_location(
        "historian_of_the_text", TOP / "docs" / "examples" / "historian.py"
    )
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    path = sys.path[:]
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_the_historians_configuration_and_query_can_be_used(tmp_path):
    module = historian()
    pytest.importorskip("psycopg")
    path = tmp_path / "config.json"
    path.write_text(BLOCKS["run", "historian"], "utf-8")
    assert module.read_config(path).types == {30, 36}
    engine = module.sa.create_engine("sqlite://")
    module.metadata.create_all(engine)
    with engine.connect() as connection:
        assert connection.execute(module.sa.text(BLOCKS["run", "query"])).all() == []
    engine.dispose()


def test_every_column_and_key_of_the_historian_is_explained():
    module = historian()
    chapter = TEXT.split("## A historian")[1]
    assert [c.name for c in module.history.c if f"`{c.name}`" not in chapter] == []
    sample = json.loads((TOP / "docs" / "examples" / "historian.json").read_text("utf-8"))
    keys = {key for part in sample.values() if isinstance(part, dict) for key in part}
    assert [key for key in (*sample, *keys) if f"`{key}`" not in chapter] == []


def test_every_call_is_in_the_text():
    members = {name for name in dir(IEC104Client) if not name.startswith("_")}
    made = {"common_address", "originator_address", "has_asked"}
    missing = [n for n in members | made if not re.search(rf"`{n}[`(]", TEXT)]
    assert missing == []


def test_every_option_is_in_the_text():
    options = list(inspect.signature(IEC104Client.__init__).parameters)[1:]
    table = TEXT.split("**Making one**")[1].split("**Life.**")[0]
    assert [name for name in options if f"`{name}`" not in table] == []


@pytest.mark.parametrize("call", ["interrogate", "counter_interrogate", "read", "command", "test"])
def test_the_parameters_of_a_call_are_as_in_the_text(call):
    stated = re.search(rf"`{call}\((.*?)\)`", TEXT)[1]
    parameters = list(inspect.signature(getattr(IEC104Client, call)).parameters.values())[1:]
    for one, text in zip(parameters, stated.split(", "), strict=True):
        name, _, default = text.partition("=")
        assert one.name == name
        assert default == "" if one.default is one.empty else one.default == eval(default)


def test_every_error_is_in_the_text():
    table = TEXT.split("## Errors")[1].split("## Stations")[0]
    everything = (getattr(core.client, name) for name in core.client.__all__)
    errors = [one for one in everything if isinstance(one, type) and issubclass(one, IEC104Error)]
    assert len(errors) >= 12
    assert [one.__name__ for one in errors if f"`{one.__name__}`" not in table] == []


def test_files_the_text_points_to_are_there():
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", TEXT):
        assert link.startswith("https://") or (TOP / "docs" / link).exists(), link
