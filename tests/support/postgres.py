"""A PostgreSQL server for tests alone: in a folder of its own, on a Unix socket.

    with PostgresServer() as server:
        url = server.new_database()
        server.stop("immediate")
        server.start()

Nothing of an installed server is used but its programs. The server refuses to run as root, so as
root it is started as `postgres` or `nobody`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Literal, Self

START_LIMIT = 60.0
"""Seconds; a busy machine takes long, and a crashed server first repairs its files."""
OWNER = "historian"
_LIKELY = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)
_NAMES = ("initdb", "postgres", "pg_isready", "psql")


def programs() -> Path | None:
    """The folder with the server's programs, of the newest version there is."""
    found = [Path(path).resolve().parent for path in (shutil.which("initdb"),) if path]
    found += [one for place in _LIKELY for one in Path("/").glob(place[1:])]
    whole = [one for one in found if all((one / name).is_file() for name in _NAMES)]
    return max(whole, key=_version, default=None)


def why_not() -> str:
    """Why no server can be started here; empty if one can."""
    if sys.platform == "win32":
        return "the test's PostgreSQL server needs Unix sockets"
    if programs() is None:
        return "PostgreSQL's server is not installed (initdb, postgres; Debian: postgresql)"
    if os.geteuid() == 0 and _user() is None:
        return "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
    return ""


class PostgresServer:
    """Started and stopped at will; all it wrote goes with the `with` block."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None, why_not()
        self._programs = found
        self._as: dict[str, Any] = {}
        # Not below pytest's own folder: nobody but root may look into that.
        self.folder = Path(tempfile.mkdtemp(prefix="iec104-pg-"))
        if os.geteuid() == 0:
            self._as = {"user": _user(), "group": _group_of(_user()), "extra_groups": []}
            shutil.chown(self.folder, _user())
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._run(
                "initdb", "--no-sync", "--no-locale", "--encoding=UTF8", "--auth=trust",
                f"--username={OWNER}", f"--pgdata={self.folder / 'data'}",
            )  # fmt: skip
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder,
                    "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB",
                ],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=_environment(), **self._as,
            )  # fmt: skip
        end = time.monotonic() + START_LIMIT
        while self._run("pg_isready", "--quiet", f"--host={self.folder}", check=False):
            told = log.read_text("utf-8", "replace")[-2000:]
            assert self._process.poll() is None, f"the server ended at once: {told}"
            assert time.monotonic() < end, f"the server did not start in time: {told}"
            time.sleep(0.05)

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """End it in order, its clients' transactions broken off; or `immediate`, like a crash."""
        if self._process is None:
            return
        # SIGINT and SIGQUIT are the server's own commands for the two.
        self._process.send_signal(2 if how == "fast" else 3)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
            raise
        finally:
            self._process = None

    def new_database(self) -> str:
        """The SQLAlchemy URL of a database that nothing has been written into."""
        name = f"t{uuid.uuid4().hex}"
        self.sql(f"create database {name}")
        return f"postgresql+psycopg://{OWNER}@/{name}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres") -> None:
        """Carry out a statement."""
        self._run(
            "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--host={self.folder}",
            f"--username={OWNER}", f"--dbname={database}", f"--command={statement}",
        )  # fmt: skip

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self.folder, env=_environment(), capture_output=True, text=True, timeout=60,
            check=False, **self._as,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.returncode

    def _end(self) -> None:
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Ours without what would send its programs to another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _user() -> str | None:
    import pwd  # there is none on Windows

    names = {one.pw_name for one in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _group_of(user: str | None) -> int:
    import pwd

    assert user is not None
    return pwd.getpwnam(user).pw_gid


def _version(folder: Path) -> tuple[int, ...]:
    """From `/usr/lib/postgresql/15/bin`; what has no number in its path comes last."""
    digits = "".join(one if one.isdigit() else " " for one in str(folder)).split()
    return tuple(map(int, digits))
