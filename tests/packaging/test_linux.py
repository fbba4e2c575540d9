"""Installing on Linux: into a throw-away root, from a release and from a checkout, and off again.

Where a small release stands for a whole one it has the same files as far as the scripts look.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import __version__
from tests.packaging.conftest import ROOT, missing
from tests.packaging.frozen import CLI, Frozen, environment, text_of, until
from tests.support.gateway import group
from tests.support.ports import free_ports

pytestmark = [
    pytest.mark.posix,
    pytest.mark.skipif(sys.platform != "linux", reason="installs on Linux"),
]

LINUX = ROOT / "assets" / "linux"
SCRIPTS = sorted(LINUX.glob("*.sh"))
PREFIX = "opt/iec104mm2ss"


def tool(name: str, package: str) -> str:
    """Where a program is that looks at what we made; without it there is nothing to see."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed (Debian: apt-get install {package})")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A release as far as install.sh looks at it."""
    folder = tmp_path / "iec104mm2ss-1.0"
    shutil.copytree(LINUX, folder / "linux")
    inside = folder / "_internal" / "assets"
    inside.mkdir(parents=True)
    for image in [*ROOT.glob("assets/*.png"), ROOT / "assets" / "iec104mm2ss.svg"]:
        shutil.copy(image, inside)
    (folder / "_internal" / "old.so").touch()
    for name in ("iec104mm2ss", CLI):
        (folder / name).write_text("#!/bin/sh\necho it runs\n")
        (folder / name).chmod(0o755)
    (folder / "README.md").write_text("first\n")
    shutil.copy(ROOT / "iec104mm2ss.csv", folder)
    return folder


def script(
    path: Path, *arguments: str | Path, root: Path | str, **more: str
) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "DESTDIR": str(root), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", **more}
    return subprocess.run(
        ["sh", path, *arguments], env=env, check=False, capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def ran(path: Path, *arguments: str | Path, root: Path | str, **more: str) -> str:
    done = script(path, *arguments, root=root, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_sound(path: Path) -> None:
    done = subprocess.run(
        [tool("shellcheck", "shellcheck"), path], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_help_says_every_option(path: Path) -> None:
    text = ran(path, "--help", root="")
    options = {line.split(")")[0].strip() for line in path.read_text().splitlines()
               if line.strip().startswith("--") and ")" in line}  # fmt: skip
    assert {option.split("=")[0] for option in options} >= {"--prefix", "--dry-run"}
    assert all(option.split("=")[0] in text for option in options)


WRONG = [
    (("--what",), "unknown argument '--what'"),
    (("--prefix",), "--prefix needs a folder"),
    (("--prefix", "some/where"), "absolute path"),
    (("--prefix", "/a$b"), "a character that a unit or menu entry cannot hold"),
    (("--prefix", "/50%"), "a character that a unit or menu entry cannot hold"),
]


@pytest.mark.parametrize(("arguments", "reason"), WRONG)
def test_a_wrong_argument_is_named(
    source: Path, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    done = script(source / "linux" / "install.sh", *arguments, root=tmp_path / "root")
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (tmp_path / "root").exists()


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path) -> None:
    said = ran(source / "linux" / "install.sh", "--dry-run", root=tmp_path / "root")
    assert f"would run: mkdir -p {tmp_path}/root/{PREFIX}/log" in said
    assert not (tmp_path / "root").exists()


def test_everything_is_where_it_belongs(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    said = ran(source / "linux" / "install.sh", root=root)
    found = files(root)
    units = "usr/local/lib/systemd/system"
    icons = "usr/local/share/icons/hicolor"
    assert found >= {
        *(f"{PREFIX}/{name}" for name in ("iec104mm2ss", CLI, "iec104mm2ss.csv", "README.md")),
        *(f"{units}/iec104mm2ss.service", f"{units}/iec104mm2ss@.service"),
        *(f"{icons}/{n}x{n}/apps/iec104mm2ss.png" for n in (16, 32, 48, 256)),
        f"{icons}/scalable/apps/iec104mm2ss.svg",
        "usr/local/share/applications/iec104mm2ss.desktop",
    }
    assert (root / "usr/local/bin/iec104mm2ss").readlink() == Path("/opt/iec104mm2ss/iec104mm2ss")
    assert (root / PREFIX / "log").is_dir()
    assert "needs the system user iec104" in said  # no user is made for a package
    assert "Wrong" not in said


def test_an_upgrade_keeps_what_is_the_users_and_leaves_nothing_old(
    source: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    ran(source / "linux" / "install.sh", root=root)
    place = root / PREFIX
    (place / "iec104mm2ss.csv").write_text("mine")
    (place / "north.csv").write_text("mine too")
    (place / "log" / "S-RTU.txt").write_text("history")
    (source / "_internal" / "old.so").unlink()
    (source / "README.md").write_text("second\n")
    (source / "log").mkdir()  # somebody has tried the release where it was unpacked
    (source / "log" / "S-RTU.txt").write_text("not this one")
    said = ran(source / "linux" / "install.sh", root=root)
    assert "iec104mm2ss.csv is kept as it is" in said
    assert (place / "iec104mm2ss.csv").read_text() == "mine"
    assert (place / "north.csv").read_text() == "mine too"
    assert (place / "log" / "S-RTU.txt").read_text() == "history"
    assert (place / "README.md").read_text() == "second\n"
    assert not (place / "_internal" / "old.so").exists()


@pytest.mark.parametrize("scope", ["system", "user"])
def test_uninstalling_leaves_configuration_and_logs_and_nothing_else(
    source: Path, tmp_path: Path, scope: str
) -> None:
    root = tmp_path / "root"
    more = {"HOME": "/home/ä b"}
    place = root / (PREFIX if scope == "system" else "home/ä b/.local/opt/iec104mm2ss")
    ran(source / "linux" / "install.sh", *["--user"] * (scope == "user"), root=root, **more)
    (place / "log" / "S-RTU.txt").write_text("history")
    (place / "iec104mm2ss.2026-03-01_101500.csv.bak").write_text("before")
    before = files(root)
    tried = ran(place / "linux" / "uninstall.sh", "--dry-run", root=root, **more)
    assert files(root) == before
    said = ran(place / "linux" / "uninstall.sh", root=root, **more)
    assert f"Kept, because it is yours: {place}" in said
    assert set(tried.splitlines()) <= set(said.splitlines())
    own = place.relative_to(root).as_posix()
    assert files(root) == {
        f"{own}/iec104mm2ss.csv", f"{own}/iec104mm2ss.2026-03-01_101500.csv.bak",
        f"{own}/log/S-RTU.txt",
    }  # fmt: skip


def test_uninstalling_what_is_not_there_is_refused(source: Path, tmp_path: Path) -> None:
    done = script(source / "linux" / "uninstall.sh", root=tmp_path / "root")
    assert done.returncode == 1
    assert "nothing of install.sh is in" in done.stderr


def test_the_program_folder_is_not_installed_onto_itself(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    ran(source / "linux" / "install.sh", root=root)
    done = script(root / PREFIX / "linux" / "install.sh", root=root)
    assert done.returncode == 1
    assert "is the program folder itself" in done.stderr
    assert (root / PREFIX / CLI).exists()


@pytest.mark.parametrize("prefix", ["/opt/iec104mm2ss", "/srv/Mein Gateway ü"])
def test_systemd_takes_the_units(source: Path, tmp_path: Path, prefix: str) -> None:
    program = tool("systemd-analyze", "systemd")
    known = Path("/usr/lib/systemd/system")
    if not (known / "sysinit.target").exists():
        missing("systemd's own units are not there (Debian: apt-get install systemd)")
    root = tmp_path / "root"
    ran(source / "linux" / "install.sh", "--prefix", prefix, root=root)
    shutil.copytree(known, root / known.relative_to("/"), symlinks=True)
    for unit in ("iec104mm2ss.service", "iec104mm2ss@north.service"):
        done = subprocess.run(
            [program, f"--root={root}", "verify", unit], check=False, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), unit
    text = text_of(root / "usr/local/lib/systemd/system/iec104mm2ss@.service")
    assert f'-i "{prefix}/%i.csv" --log-dir "{prefix}/log/%i"' in text
    assert f'ReadWritePaths="-{prefix}/log"' in text
    assert "CAP_SYS_TIME" in text
    assert "\nProtectClock" not in text  # it would forbid the setting of the clock


def test_systemd_takes_the_units_of_one_user(source: Path, tmp_path: Path) -> None:
    program = tool("systemd-analyze", "systemd")
    home = tmp_path / "home é"
    (tmp_path / "run").mkdir()
    # In place, for the unit must find its program; with a DESTDIR no service of ours is touched.
    ran(source / "linux" / "install.sh", "--user", "--no-service", root="/", HOME=str(home))
    assert not (home / ".config").exists()
    ran(source / "linux" / "install.sh", "--user", root="/", HOME=str(home))
    unit = home / ".config/systemd/user/iec104mm2ss.service"
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    done = subprocess.run(
        [program, "--user", "verify", unit], env=env, check=False, capture_output=True, text=True
    )
    assert str(unit) not in done.stderr
    assert done.returncode == 0, done.stderr
    text = text_of(unit)
    # What only the system's manager may do would keep the service from starting.
    assert not any(word in text for word in ("User=", "Ambient", "ProtectSystem", "network-online"))
    assert "WantedBy=default.target" in text
    assert "Type=notify" in text


@pytest.mark.parametrize("prefix", ["/opt/iec104mm2ss", "/srv/Mein Gateway ü"])
def test_desktops_take_the_menu_entry(source: Path, tmp_path: Path, prefix: str) -> None:
    program = tool("desktop-file-validate", "desktop-file-utils")
    ran(source / "linux" / "install.sh", "--prefix", prefix, root=tmp_path / "root")
    entry = tmp_path / "root/usr/local/share/applications/iec104mm2ss.desktop"
    done = subprocess.run([program, entry], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert f'Exec="{prefix}/iec104mm2ss"' in entry.read_text("utf-8")


def test_from_a_checkout_it_runs_with_a_python_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "root"
    # No package can be had: the gateway is installed all the same, and says what is missing.
    done = script(
        LINUX / "install.sh", root=root, PYTHON=sys.executable, PIP_NO_INDEX="1",
        PIP_CONFIG_FILE=os.devnull, PIP_FIND_LINKS="",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "These packages could not be installed: ntplib" in done.stdout
    place = root / PREFIX
    (tmp_path / "link").symlink_to(place / "iec104mm2ss")
    for program in (place / CLI, tmp_path / "link"):
        said = subprocess.run(
            [program, "--version"], cwd=tmp_path, env=environment(), check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        assert said.stdout == f"iec104mm2ss {__version__}\n"
    assert "tests" not in {path.name for path in place.iterdir()}
    ran(place / "linux" / "uninstall.sh", root=root)
    assert files(root) == {f"{PREFIX}/iec104mm2ss.csv"}


@pytest.mark.slow
@pytest.mark.timeout(900)  # the release is built by the first test that needs it
def test_the_frozen_gateway_runs_from_where_it_was_installed(
    frozen: Frozen, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    ran(frozen.folder / "linux" / "install.sh", root=root)
    place = root / PREFIX
    rtu_port, port = free_ports(2)
    rows = group(1, rtu_port, [port])
    (place / "north.csv").write_text("".join(f"{row}\n" for row in rows), "utf-8")
    with Frozen(place) as installed:
        said = installed.run("--version", cwd=tmp_path).stdout
        assert said.strip() == f"iec104mm2ss {__version__}"
        # As the unit of an instance starts it.
        program = installed.start(
            "--nogui", "-i", place / "north.csv", "--log-dir", place / "log" / "north",
            cwd=tmp_path,
        )  # fmt: skip
        log = place / "log" / "north" / "S-RTU1.txt"
        until(lambda: "no connection to" in text_of(log), "the gateway works")
        program.terminate()
        assert program.wait(10) == 0
    assert text_of(tmp_path / "said.txt") == ""
    ran(place / "linux" / "uninstall.sh", root=root)
    left = {name for name in files(root) if not name.endswith(".lock")}
    assert left == {
        f"{PREFIX}/{name}"
        for name in ("iec104mm2ss.csv", "north.csv",
                     *(f"log/north/{n}.txt" for n in ("S-RTU1", "M-M1-1", "iec104mm2ss")))
    }  # fmt: skip
