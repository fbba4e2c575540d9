"""Saving edits into the file: only edited cells change, everything else stays to the octet."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.forms import Texts, check, entry_of, texts_of, with_entry
from app.inifile import IniFile
from app.saving import prepare
from core.config import Config, read

TEXT = (
    b'\xef\xbb\xbf# "comment", with quotes\r\n  t1 , 20 ,,\r\n'
    b'111,RTU-ABB,,32,N,"192.0.2.1:2404;192.0.2.2:2404",k=20\r\n'
    b"unknown row,1,2\r\n111 , ABB-1,2406,1,Y,10.1.1.0/24,rights=monitor,# why\r\n"
    b"111,OSI-1,2407,100,Y\r\n!222,x\r\n333,after the end"
)


def edited(config: Config, key: str, **changed: str) -> Config:
    found = check(config, key, replace(texts_of(entry_of(config, key)), **changed))
    assert found.entry is not None, found.messages
    return with_entry(config, found.entry)[0]


def test_nothing_edited_needs_no_saving() -> None:
    saving = prepare(TEXT, read(TEXT, "t")[0], "t")
    assert not saving.is_needed
    assert saving.octets == TEXT


def test_only_the_edited_row_is_written_anew() -> None:
    config = edited(read(TEXT, "t")[0], "111/M/ABB-1", port="2499", name="NEW")
    saving = prepare(TEXT, config, "t")
    assert saving.problem == ""
    assert saving.octets == TEXT.replace(
        b"111 , ABB-1,2406,1,Y,10.1.1.0/24,rights=monitor,# why",
        b"111,NEW,2499,1,Y,10.1.1.0/24,rights=monitor,# why",
    )
    assert [(line.sign, line.text) for line in saving.difference if line.sign in "+-"] == [
        ("-", "111 , ABB-1,2406,1,Y,10.1.1.0/24,rights=monitor,# why"),
        ("+", "111,NEW,2499,1,Y,10.1.1.0/24,rights=monitor,# why"),
    ]
    assert read(saving.octets, "t")[0] == config


def test_a_row_that_was_too_short_gets_its_cells() -> None:
    config = edited(read(TEXT, "t")[0], "111/M/OSI-1", hosts="192.0.2.7")
    assert b"111,OSI-1,2407,100,Y,192.0.2.7\r\n" in prepare(TEXT, config, "t").octets


def test_several_edits_and_an_rtu() -> None:
    config = edited(read(TEXT, "t")[0], "111/S/RTU-ABB", hosts="192.0.2.9:2404")
    config = edited(config, "111/M/OSI-1", numbers="7")
    saving = prepare(TEXT, config, "t")
    assert saving.problem == ""
    assert read(saving.octets, "t")[0] == config
    assert b"192.0.2.9:2404,k=20" in saving.octets


def test_a_row_that_is_no_longer_there_is_not_guessed() -> None:
    config = edited(read(TEXT, "t")[0], "111/M/OSI-1", numbers="7")
    saving = prepare(b"# one line more\r\n" + TEXT, config, "t")
    assert "no longer in line" in saving.problem


ONE_PORT = (
    b"id iec104MM2SS-1port-v1.0,sys name,port,RTU number,max conn,idletime,t1,t2,t3,w,k,buffsize,"
    b"logevents,same ip,IP:PORT list,filter\n"
    b"1,RTU,2404,5,3,,,,,,,,Y,all,192.0.2.1:2404,10.0.0.0/8\n"
)


def test_the_later_dialect_keeps_its_columns() -> None:
    config = edited(read(ONE_PORT, "t")[0], "1/M/RTU", port="2500", hosts="10.1.0.0/16")
    config = edited(config, "1/S/RTU", hosts="192.0.2.7:2404")
    saving = prepare(ONE_PORT, config, "t")
    assert saving.problem == ""
    assert saving.octets.endswith(b"1,RTU,2500,5,3,,,,,,,,Y,all,192.0.2.7:2404,10.1.0.0/16\n")


def test_what_the_later_dialect_cannot_say_is_not_saved() -> None:
    config = edited(read(ONE_PORT, "t")[0], "1/M/RTU", name="OTHER")
    saving = prepare(ONE_PORT, config, "t")
    assert "group 1 would read back differently" in saving.problem
    assert "one row" in saving.problem


@pytest.fixture
def file(tmp_path: Path) -> IniFile:
    path = tmp_path / "some.csv"
    path.write_bytes(TEXT)
    return IniFile(path, TEXT, lambda config: config)


def test_writing_leaves_a_dated_backup(file: IniFile) -> None:
    at = datetime(2026, 11, 20, 13, 45, 2, tzinfo=UTC)
    assert not file.has_changed()
    backup = file.write(b"1,A,,1,N,192.0.2.1:1\n1,B,2,1,Y,\n", at)
    assert backup.name == "some.2026-11-20_134502.csv.bak"
    assert backup.read_bytes() == TEXT
    assert file.path.read_bytes().startswith(b"1,A")
    assert [entry.name for entry in file.config.entries] == ["A", "B"]
    again = file.write(b"x", at)
    assert again != backup
    assert sorted(path.suffix for path in file.path.parent.iterdir()) == [".bak", ".bak2", ".csv"]


def test_a_file_that_somebody_else_wrote_is_noticed(file: IniFile) -> None:
    file.path.write_bytes(b"# other\n")
    assert file.has_changed()
    assert file.read_again().data == b"# other\n"


def test_a_disk_that_refuses_leaves_the_file_as_it_was(
    file: IniFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        file.write(b"new", datetime(2026, 1, 1, tzinfo=UTC))
    assert file.path.read_bytes() == TEXT
    assert not list(file.path.parent.glob("*.new"))


def test_the_forms_and_the_file_agree_on_odd_hosts() -> None:
    config = read(TEXT, "t")[0]
    found = check(config, "111/M/ABB-1", Texts("ABB-1", "2406", "1", "10.1.1.7/24;name.local"))
    assert found.entry is not None
    saving = prepare(TEXT, with_entry(config, found.entry)[0], "t")
    assert saving.problem == ""
    assert b"10.1.1.0/24;name.local" in saving.octets
