"""The program as a release carries it, started on the system the tests run on.

Under a Windows Python the same tests build and start the Windows programs. On Linux with wine,
`IEC_WINDOWS_PYTHON` may name a command that runs a Windows Python: then they run under it as well.
"""

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import __version__
from core.iec104_client import IEC104Client
from tests.app.gui.display import Display, NoDisplayError, own_display_is_needed
from tests.packaging import desktop
from tests.packaging.conftest import ROOT, missing
from tests.packaging.frozen import CLI, WINDOWED, Frozen, text_of, until
from tests.support.gateway import group
from tests.support.ports import free_port, free_ports
from tests.support.wire import assert_clean, interrogation

# The first test waits for the build.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IS_WINDOWS = sys.platform == "win32"
CA = 32


def ini(path: Path, rtu_port: int, *ports: int) -> Path:
    path.write_text("".join(f"{row}\n" for row in group(1, rtu_port, ports, CA)), "utf-8")
    return path


@pytest.mark.parametrize("program", [CLI, WINDOWED])
def test_both_programs_know_their_version(frozen: Frozen, tmp_path: Path, program: str) -> None:
    done = frozen.run("--version", cwd=tmp_path, program=program)
    assert (done.returncode, done.stdout.strip()) == (0, f"iec104mm2ss {__version__}")


def test_the_file_beside_the_programs_comes_before_one_of_the_working_folder(
    frozen: Frozen, tmp_path: Path
) -> None:
    ini(tmp_path / "iec104mm2ss.csv", 9, 10)
    done = frozen.run("--check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[0] == str(frozen.folder / "iec104mm2ss.csv")
    assert "2 groups with 6 entries" in done.stdout


def test_a_file_with_errors_is_told_so(frozen: Frozen, tmp_path: Path) -> None:
    (tmp_path / "bad ß.csv").write_text("1,R,,5,N,127.0.0.1:none\n1,M,1,5,Y,\n", "utf-8")
    done = frozen.run("--check", "-i", "bad ß.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "127.0.0.1:none" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_rtu_and_its_masters_meet_in_it(frozen: Frozen, tmp_path: Path, wire) -> None:
    place = tmp_path / "Anlage ø 1"
    place.mkdir()
    rtu_port, *ports = free_ports(3)
    file = ini(place / "north.csv", rtu_port, *ports)
    rtu = wire.rtu(rtu_port, CA, slots=2)
    gateway = frozen.start("-n", "-i", file, cwd=tmp_path)
    masters = [wire.master(port, 101 + n) for n, port in enumerate(ports)]
    wire.wait(lambda: all(m.is_started for m in masters), 60, "both masters are started")
    rtu.events(500)
    wire.wait(lambda: all(len(m.events) >= 500 for m in masters), 30, "500 events each")
    masters[0].ask(interrogation())
    wire.wait(lambda: len(masters[0].answers) >= 2, 30, "the interrogation is over")
    assert_clean(rtu, *masters)
    log = place / "log" / "S-RTU1.txt"  # beside the file, wherever it was started
    until(lambda: "startdt con received" in text_of(log), "the log of the RTU")
    assert not (tmp_path / "log").exists()
    if IS_WINDOWS:  # Ctrl+Break needs a console of its own
        gateway.kill()
        gateway.wait(10)
        return
    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(10) == 0
    assert text_of(tmp_path / "said.txt") == ""
    assert "ended" in text_of(place / "log" / "iec104mm2ss.txt").splitlines()[-1]


def test_the_demo_runs_and_ends(frozen: Frozen, tmp_path: Path) -> None:
    done = frozen.run("--demo", "-n", "--for", "6", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "all 9 masters have data transfer" in done.stdout
    assert done.stdout.splitlines()[-1] == "the demo has ended"


def test_the_simulator_brings_its_points(frozen: Frozen, tmp_path: Path) -> None:
    port = free_port()
    simulator = frozen.start("simulate", "--port", str(port), "--ca", "47", cwd=tmp_path)
    until(lambda: "serving" in text_of(tmp_path / "said.txt"), "it says what it serves")
    with IEC104Client(server_ip="127.0.0.1", server_port=port) as client:
        assert client.wait_until_started(60), text_of(tmp_path / "said.txt")
        assert len(client.interrogate().updates) > 5
    simulator.kill()
    simulator.wait(10)


@pytest.fixture(scope="module")
def screen() -> Iterator[Display | None]:
    """Where the window appears; None where there is a desktop already."""
    if not own_display_is_needed():
        yield None
        return
    try:
        with Display("1280x800") as display:
            yield display
    except NoDisplayError as error:
        missing(str(error))


def test_a_double_click_opens_the_window(
    frozen: Frozen, tmp_path: Path, screen: Display | None
) -> None:
    rtu_port, port = free_ports(2)
    beside = frozen.folder / "iec104mm2ss.csv"
    sample = beside.read_bytes()
    ini(beside, rtu_port, port)
    name = screen.name if screen is not None else os.environ.get("DISPLAY", "")
    home = {"HOME": str(tmp_path), "APPDATA": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    program = frozen.start(cwd=tmp_path, program=WINDOWED, DISPLAY=name, **home)
    try:
        window = until(
            lambda: next((w for w in desktop.windows(name) if "IEC104MM2SS" in w.title), None),
            f"a window; it said: {text_of(tmp_path / 'said.txt')}",
        )
        assert window.title == "iec104mm2ss.csv - IEC104MM2SS"
        log = frozen.folder / "log" / "S-RTU1.txt"
        until(lambda: "no connection to" in text_of(log), "the gateway behind the window works")
        if IS_WINDOWS:
            desktop.close(window)
        else:
            assert window.class_name == "Iec104mm2ss"  # StartupWMClass of the menu entry
            assert {16, 32, 48, 256} <= window.icon_sizes
            program.send_signal(signal.SIGTERM)
        assert program.wait(60) == 0
        assert (tmp_path / "iec104mm2ss" / "window.json").is_file()
    finally:
        beside.write_bytes(sample)
        if program.poll() is None and screen is not None:
            Path("artifacts").mkdir(exist_ok=True)
            Path("artifacts/frozen window.png").write_bytes(screen.picture())


@pytest.mark.skipif(not IS_WINDOWS, reason="version resources are Windows'")
@pytest.mark.parametrize(("program", "subsystem"), [(WINDOWED, 2), (CLI, 3)])
def test_windows_is_told_what_the_programs_are(
    frozen: Frozen, program: str, subsystem: int
) -> None:
    import pefile  # comes with PyInstaller, there only

    with pefile.PE(str(frozen.path(program))) as read:
        assert read.OPTIONAL_HEADER.Subsystem == subsystem
        kinds = {entry.id for entry in read.DIRECTORY_ENTRY_RESOURCE.entries}
        texts = {
            name: value
            for part in read.FileInfo[0]
            if hasattr(part, "StringTable")
            for table in part.StringTable
            for name, value in table.entries.items()
        }
    assert {3, 14, 16} <= kinds  # icon, group of icons, version
    assert texts[b"ProductVersion"] == __version__.encode()
    assert texts[b"OriginalFilename"] == f"{program}.exe".encode()


# The archives


def test_the_checksums_are_those_of_the_archives(release: Path) -> None:
    lines = (release / "SHA256SUMS").read_text("ascii").splitlines()
    archives = {path.name for path in release.iterdir() if path.suffix in (".zip", ".gz")}
    assert archives == {line.split("  ")[1] for line in lines}
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_an_archive_has_all_a_person_needs_in_one_folder(release: Path) -> None:
    system = "windows" if IS_WINDOWS else "linux"
    (archive,) = release.glob(f"*-{system}-*.zip")
    with zipfile.ZipFile(archive) as packed:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in packed.infolist()}
    top = archive.name.removesuffix(".zip")
    end = ".exe" if IS_WINDOWS else ""
    assert all(name.startswith(f"{top}/") for name in modes)
    names = {name.removeprefix(f"{top}/") for name in modes}
    wanted = {
        *(f"{CLI}{end}", f"{WINDOWED}{end}", "iec104mm2ss.csv", "README.md", "LICENSE"),
        *("CHANGELOG.md", "docs/client.md", "licences/Python.txt", "licences/ntplib-LICENSE.txt"),
        "_internal/assets/Datapoints.json",
    }
    if (ROOT / "docs" / "manual.html").is_file():
        wanted.add("docs/manual.html")
    assert wanted <= names
    assert not any("__pycache__" in name or "tests" in name.split("/") for name in names)
    if IS_WINDOWS:
        return
    assert modes[f"{top}/{CLI}"] == modes[f"{top}/linux/install.sh"] == 0o755
    with tarfile.open(archive.with_name(f"{top}.tar.gz")) as tar:
        members = tar.getmembers()
    assert {entry.name for entry in members} == modes.keys()
    assert {entry.uid for entry in members} == {0}
    assert all(entry.mode == modes[entry.name] for entry in members if entry.isfile())


# And the same on Windows


@pytest.mark.skipif(
    not os.environ.get("IEC_WINDOWS_PYTHON"),
    reason="IEC_WINDOWS_PYTHON names no command that runs a Windows Python (wine)",
)
@pytest.mark.timeout(1800)
def test_all_of_this_holds_under_a_windows_python(tmp_path: Path) -> None:
    python = os.environ["IEC_WINDOWS_PYTHON"]
    env = {name: text for name, text in os.environ.items() if name != "IEC_WINDOWS_PYTHON"}
    ours = Path(__file__).relative_to(ROOT).as_posix()
    with (tmp_path / "said.txt").open("wb") as said:  # not in a pipe: see `Frozen.start`
        done = subprocess.run(
            ["xvfb-run", "-a", python, "-m", "pytest", "-q", "-p", "no:cacheprovider", ours],
            cwd=ROOT, env={**env, "PACKAGING_TESTS": "required"}, check=False,
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    assert done.returncode == 0, text_of(tmp_path / "said.txt")[-5000:]
