"""What the window remembers: a small file that may be missing, broken or from another screen."""

import json
from pathlib import Path

import pytest

from app.prefs import Preferences, default_path, fitting, load, save


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "window.json"
    prefs = Preferences(
        "1280x770+5+6", True, "dark", 2, 1.5, {"systems": 0.7}, {"state": 120}, [3], "abb", True,
        False, False,
    )  # fmt: skip
    assert save(path, prefs)
    assert load(path) == prefs
    assert [each.name for each in path.parent.iterdir()] == ["window.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "null", "\x00"])
def test_a_broken_file_is_ignored(tmp_path: Path, text: str) -> None:
    path = tmp_path / "window.json"
    path.write_text(text)
    assert load(path) == Preferences()


def test_a_wrong_value_is_ignored_and_the_others_used(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    path.write_text(json.dumps({
        "palette": 7, "text_size": True, "scale": 99, "sashes": {"a": 2.0}, "columns": {"a": "x"},
        "folded": ["1"], "filter": "abb", "unknown": 1,
    }))  # fmt: skip
    assert load(path) == Preferences(filter="abb")
    assert load(tmp_path / "none.json") == Preferences()


def test_a_disk_that_refuses_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not save(tmp_path / "file" / "window.json", Preferences())


@pytest.mark.parametrize(
    ("saved", "fits"),
    [
        ("1280x770+10+20", "1280x770+10+20"),
        ("1280x770+3000+20", "1280x770"),
        ("1280x770+-1900+20", "1280x770"),
        ("5000x4000+0+0", "1920x1080"),
        ("200x100+0+0", "1000x620+0+0"),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_a_geometry_of_another_screen_keeps_only_its_size(saved: str, fits: str) -> None:
    assert fitting(saved, (1920, 1080), (1000, 620)) == fits


def test_the_file_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert default_path({"XDG_CONFIG_HOME": "/c"}) == Path("/c/iec104mm2ss/window.json")
    assert default_path({}).parts[-3:] == (".config", "iec104mm2ss", "window.json")
    monkeypatch.setattr("sys.platform", "win32")
    assert default_path({"APPDATA": "/a"}) == Path("/a/iec104mm2ss/window.json")
