"""What is given to people: the frozen program with its papers, packed, and a list of checksums.

    python assets/release.py [--output DIR] [--manual as-it-is]

Run it with the Python whose extras `build` (and on Linux `fast`) and `docs` are installed, on the
oldest system the program shall run on: a build needs at least the C library it was made with. The
same checkout, the same Python and the same packages give the same archives, octet for octet.
"""

import argparse
import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from core import __version__

NAME: Final = "iec104mm2ss"
MANUAL_BUILDER: Final = ("-m", "docs.build", "--pdf", "{pdf}")
"""What the Python that runs this is called with; it writes docs/manual.html and the PDF."""
PAPERS: Final = ("iec104mm2ss.csv", "README.md", "CHANGELOG.md", "LICENSE")
DOCUMENTS: Final = ("*.md", "manual.html", "images/*", "examples/*")
"""From docs, at the places where README, manual and program look for them."""
INSTALLERS: Final = ("*.sh", "*.service", "*.desktop")
PARTS: Final = ("ntplib", "uvloop", "pyinstaller")
"""Packages that go into the folder and bring a licence of their own."""
EARLIEST: Final = 315_532_800
"""1980-01-01, the first day a ZIP archive knows."""


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Make the archives of a release.")
    parser.add_argument("--output", type=Path, default=TOP / "dist", metavar="DIR")
    parser.add_argument(
        "--manual", choices=("build", "as-it-is"), default="build",
        help="write the manual anew (default), or take docs/manual.html and DIR/manual.pdf",
    )  # fmt: skip
    given = parser.parse_args()
    output = given.output.resolve()
    epoch = source_date()
    os.environ.update(SOURCE_DATE_EPOCH=str(epoch), PYTHONHASHSEED="0")
    folder = output / f"{NAME}-{__version__}-{system()}"
    try:
        if given.manual == "build":
            build_manual(output)
        build_program(output, folder)
        add_papers(folder, output / "manual.pdf")
        pack_zip(folder, epoch)
        if sys.platform != "win32":
            pack_tar(folder, epoch)
        # Of all systems whose archives are there.
        archives = [
            path for path in sorted(output.glob(f"{NAME}-{__version__}-*")) if path.is_file()
        ]
        sums = "".join(f"{checksum(archive)}  {archive.name}\n" for archive in archives)
        (output / "SHA256SUMS").write_text(sums, "utf-8", newline="\n")
    except subprocess.CalledProcessError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    print(f"{folder}\n{sums}", end="")
    return 0


def system() -> str:
    """`linux-x86_64`, `windows-x86_64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}"


def source_date() -> int:
    """The time every file gets: that of the commit, not of the build."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return max(EARLIEST, int(os.environ["SOURCE_DATE_EPOCH"]))
    command = ["git", "-C", str(TOP), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return EARLIEST  # a source archive has no history


def build_manual(output: Path) -> None:
    """Write docs/manual.html and manual.pdf."""
    output.mkdir(parents=True, exist_ok=True)
    command = [part.format(pdf=output / "manual.pdf") for part in MANUAL_BUILDER]
    subprocess.run([sys.executable, *command], cwd=TOP, check=True)


def build_program(output: Path, folder: Path) -> None:
    """Freeze the program into the folder."""
    work = output / "work"
    command = [sys.executable, "-m", "PyInstaller", str(TOP / "build.spec"), "--noconfirm"]
    command += ["--distpath", str(work), "--workpath", str(work / "steps"), "--clean"]
    subprocess.run([*command, "--log-level", "WARN"], cwd=TOP, check=True)
    if folder.exists():
        shutil.rmtree(folder)
    shutil.move(work / NAME, folder)
    shutil.rmtree(work)


def add_papers(folder: Path, pdf: Path) -> None:
    """Put beside the programs what a person needs to use them."""
    for name in PAPERS:
        shutil.copy(TOP / name, folder)
    for pattern in DOCUMENTS:
        for path in sorted((TOP / "docs").glob(pattern)):
            if path.is_file():
                (folder / path.relative_to(TOP)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, folder / path.relative_to(TOP))
    if pdf.is_file():
        shutil.copy(pdf, folder)
    for manual in (TOP / "docs" / "manual.html", pdf):
        if not manual.is_file():
            print(f"release: not carried, for it is not there: {manual}", file=sys.stderr)
    if sys.platform != "win32":
        (folder / "linux").mkdir()
        for pattern in INSTALLERS:
            for path in sorted((TOP / "assets" / "linux").glob(pattern)):
                shutil.copy(path, folder / "linux")
    (folder / "licences").mkdir()
    for name, path in licences():
        shutil.copy(path, folder / "licences" / f"{name}.txt")


def licences() -> Iterator[tuple[str, Path]]:
    """The licence texts of what is frozen with the program, where they can be found."""
    shelf = Path(os.__file__).parent
    places = (shelf / "LICENSE.txt", shelf.parent / "LICENSE.txt", Path(sys.base_prefix, "LICENSE"))
    yield from [("Python", path) for path in places if path.is_file()][:1]
    for name in PARTS:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name.upper().startswith(("LICENSE", "COPYING")):
                yield f"{name}-{file.stem}", Path(str(file.locate()))


def contents(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a folder by its name in an archive, always in the same order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder.parent).as_posix(), path


def pack_zip(folder: Path, epoch: int) -> Path:
    """The folder as ZIP; links become what they point to, which is what Windows can unpack."""
    archive = folder.with_name(f"{folder.name}.zip")
    moment = datetime.fromtimestamp(epoch, UTC).timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, path in contents(folder):
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system = 3  # modes as on Unix, whoever packs
            entry.external_attr = (0o100000 | mode(path)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    return archive


def pack_tar(folder: Path, epoch: int) -> Path:
    """The folder as tar.gz, with links and modes."""
    archive = folder.with_name(f"{folder.name}.tar.gz")
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as packed,
    ):
        for name, path in contents(folder):
            entry = packed.gettarinfo(path, name)
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "", ""
            if entry.issym():
                packed.addfile(entry)
                continue
            entry.mode = mode(path)
            # Two names of one file would make the archive depend on how it was copied.
            entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
            with path.open("rb") as octets:
                packed.addfile(entry, octets)
    return archive


def mode(path: Path) -> int:
    """Who may do what with an unpacked file."""
    is_program = path.suffix in (".sh", ".exe") or path.name in (NAME, f"{NAME}-cli")
    return 0o755 if is_program else 0o644


def checksum(path: Path) -> str:
    """SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
