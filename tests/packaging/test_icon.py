"""The icon: its files are what `assets/draw_icon.py` draws, and it can be read when it is small."""

import importlib.util
import struct
import zlib
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app import assets
from core.simulator.program import default_points

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def _drawing():
    spec = importlib.util.spec_from_file_location("draw_icon", ASSETS / "draw_icon.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw_icon = _drawing()
FILES = draw_icon.files()


def pixels_of(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and what is compressed in it: not every zlib compresses alike."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    length = struct.unpack(">I", png[33:37])[0]
    assert png[37:41] == b"IDAT"
    return width, height, zlib.decompress(png[41 : 41 + length])


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_as_drawn(name: str) -> None:
    there, drawn = (ASSETS / name).read_bytes(), FILES[name]
    if name.endswith(".png"):
        assert pixels_of(there) == pixels_of(drawn)
    elif name.endswith(".ico"):
        begin = there.index(b"\x89PNG")
        assert pixels_of(there[begin:]) == pixels_of(drawn[drawn.index(b"\x89PNG") :])
        assert there[6 + 16 * 8 : begin] == drawn[6 + 16 * 8 : begin]
    else:
        assert there.decode().splitlines() == drawn.decode().splitlines()


def test_the_windows_icon_has_every_size_at_its_place() -> None:
    octets = FILES["iec104mm2ss.ico"]
    _, kind, count = struct.unpack("<HHH", octets[:6])
    sizes = []
    for number in range(count):
        entry = struct.unpack("<BBBBHHII", octets[6 + 16 * number : 22 + 16 * number])
        image = octets[entry[7] : entry[7] + entry[6]]
        width = entry[0] or 256
        sizes.append(width)
        if width == 256:
            assert pixels_of(image)[:2] == (256, 256)
        else:
            assert struct.unpack("<Iii", image[:12]) == (40, width, 2 * width)
    assert kind == 1
    assert tuple(sizes) == draw_icon.ICO_SIZES


@pytest.mark.parametrize("size", [16, 32, 48])
def test_station_line_and_three_masters_stay_apart(size: int) -> None:
    def runs(colours: list[str]) -> list[str]:
        return [colour for colour, _ in groupby(colours)]

    names = {colour: name for name, colour in vars(draw_icon).items()
             if name in ("FIELD", "LINE", "STATION", "MASTER")}  # fmt: skip
    rows = [[names.get(f"#{r:02x}{g:02x}{b:02x}", "") for r, g, b, _ in row]
            for row in draw_icon.pixels(size)]  # fmt: skip
    through_masters = [row[13 * size // 16] for row in rows]
    assert runs([n for n in through_masters if n]).count("MASTER") == 3
    assert "FIELD" in runs(through_masters)[2:-1]
    middle = [name for name in rows[size // 2] if name]
    assert runs(middle) == ["FIELD", "STATION", "LINE", "MASTER", "FIELD"]


def test_the_drawing_is_one_that_others_can_read() -> None:
    root = ElementTree.fromstring(FILES["iec104mm2ss.svg"])  # ours, so nothing to be feared
    assert root.get("viewBox") == "0 0 16 16"
    assert len(root.findall("{*}rect")) == len(draw_icon.shapes(256))


def test_the_window_finds_its_icon_in_every_size() -> None:
    assert [path.name for path in assets.icons()] == [
        f"iec104mm2ss-{size}.png" for size in assets.ICON_SIZES
    ]


# Where files are, frozen or not


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "My é"
    (folder / "_internal").mkdir(parents=True)
    monkeypatch.setattr("sys.frozen", True, raising=False)
    monkeypatch.setattr("sys._MEIPASS", str(folder / "_internal"), raising=False)
    monkeypatch.setattr("sys.executable", str(folder / "iec104mm2ss"))
    return folder.resolve()


def test_a_frozen_program_looks_beside_itself_and_into_its_bundle(
    frozen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert assets.program_folder() == frozen
    inside = Path(str(frozen / "_internal"))
    assert assets.bundled("assets/Datapoints.json") == inside / "assets" / "Datapoints.json"
    assert default_points().parts[-3:] == ("_internal", "assets", "Datapoints.json")
    assert assets.icons() == []
    monkeypatch.setattr("sys.prefix", str(frozen / "nowhere"))
    assert assets.manual() is None
    (frozen / "README.md").touch()
    assert assets.manual() == frozen / "README.md"
    (frozen / "docs").mkdir()
    (frozen / "docs" / "manual.html").touch()
    assert assets.manual() == frozen / "docs" / "manual.html"


def test_a_checkout_is_its_own_bundle() -> None:
    assert assets.program_folder() == ASSETS.parent
    assert assets.bundled("assets/Datapoints.json") == default_points()


def test_other_programs_get_their_own_libraries(frozen: Path) -> None:
    ours = {"LD_LIBRARY_PATH": "/ours", "TCL_LIBRARY": "/ours/tcl", "LANG": "C"}
    assert assets.environment_outside(ours) == {"LANG": "C"}
    before = {**ours, "LD_LIBRARY_PATH_ORIG": "/theirs"}
    assert assets.environment_outside(before) == {"LANG": "C", "LD_LIBRARY_PATH": "/theirs"}


def test_from_source_the_environment_is_handed_on_as_it_is() -> None:
    ours = {"LD_LIBRARY_PATH": "/theirs", "TCL_LIBRARY": "/theirs/tcl"}
    assert assets.environment_outside(ours) == ours
