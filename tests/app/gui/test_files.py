"""Saving, reloading, help, closing, starting: what the window does as a whole."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from app import actions
from app.acts import Acts
from core.feed import LogTail
from core.status import ClockSeverity, ClockStatus, MasterState, RtuState
from tests.app.gui.display import own_display_is_needed
from tests.support.ending import START, ask_to_end
from tests.support.wire import PATIENCE

ONE, RTU = "1/M/SCADA-1", "1/S/STATION-1"
AT = datetime(2026, 11, 20, 13, 55, 53).astimezone()
ROOT = Path(__file__).parents[3]


def edit(desk, **values):
    session = desk.window.session
    key = session.edit(replace(session.entries[ONE], **values))
    desk.window.config_changed((ONE, key))


def test_save_shows_the_difference_first_and_leaves_a_backup(desk):
    at = desk()
    window = at.window
    at.person.key(window.systems.table.tree, "<Control-s>")
    assert "Nothing to save" in window.said
    edit(at, port=10099, name="NEW")
    before = at.file.path.read_bytes()
    at.person.key(window.systems.table.tree, "<Control-s>")
    assert window.sheet.is_open
    text = window.sheet.text.get("1.0", "end")
    assert "- 1,SCADA-1,10000,1,Y,192.0.2.0/24" in text
    assert "+ 1,NEW,10099,1,Y,192.0.2.0/24" in text
    assert at.file.path.read_bytes() == before  # not yet
    at.person.key(window.sheet.act_button, "<Escape>")
    assert at.file.path.read_bytes() == before
    window.acts.save()
    window.sheet.act_button.invoke()
    assert at.file.path.read_bytes() == before.replace(b"1,SCADA-1,10000", b"1,NEW,10099", 1)
    (backup,) = at.file.path.parent.glob("*.bak")
    assert backup.read_bytes() == before
    assert "Saved test.csv" in window.said
    assert "not saved" not in window.root.title()


def test_a_file_somebody_else_changed_is_not_overwritten(desk):
    at = desk()
    edit(at, port=10099)
    at.file.path.write_bytes(at.file.data + b"# somebody was here\n")
    at.window.acts.save()
    assert "changed by somebody else" in at.window.question.text
    assert not at.window.sheet.is_open


def test_a_file_that_goes_while_it_is_being_saved(desk):
    at = desk()
    edit(at, port=10099)
    at.window.acts.save()
    at.file.path.unlink()
    at.window.sheet.act_button.invoke()
    assert "cannot be written: No such file" in at.window.said
    at.window.acts.save()
    assert "cannot be read" in at.window.said
    assert list(at.file.path.parent.glob("test*")) == []


def test_a_folder_that_cannot_be_written(desk, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    at = desk()
    edit(at, port=10099)
    before = at.file.path.read_bytes()
    at.window.acts.save()
    monkeypatch.setattr("app.inifile.shutil.copy2", refuse)
    at.window.sheet.act_button.invoke()
    assert "cannot be written: Permission denied" in at.window.said
    assert at.file.path.read_bytes() == before
    assert "not saved" in at.window.root.title()


ONE_PORT = """iec104MM2SS-1port-v1.0,,,,,,,,,,,,,,,
# id,name,port,rtu,conn,idle,t1,t2,t3,w,k,buff,log,same,hosts,filter
1,STATION-1,10000,32,2,60,15,10,20,8,12,1000,Y,all,192.0.2.1:2404,192.0.2.0/24
"""


def test_saving_a_file_of_the_later_dialect(desk):
    """One row is an RTU and its master: what both share is saved only if both say so."""
    at = desk(ONE_PORT)
    window, session = at.window, at.window.session
    rtu, master = session.groups[1].entries
    before = at.file.path.read_bytes()
    key = session.edit(replace(master, port=10077))
    window.config_changed((master.key, key))
    window.acts.save()
    window.sheet.act_button.invoke()
    assert at.file.path.read_bytes() == before.replace(b"10000", b"10077")
    key = session.edit(replace(session.entries[rtu.key], name="ALONE"))
    window.config_changed((rtu.key, key))
    window.acts.save()
    assert "This cannot be saved" in window.sheet.text.get("1.0", "end")
    assert "share name and number in one row" in window.sheet.text.get("1.0", "end")
    assert not window.sheet.act_button.winfo_manager()
    window.sheet.close()
    assert at.file.path.read_bytes() == before.replace(b"10000", b"10077")


def test_the_log_file_that_is_opened_is_the_one_of_this_entry(desk, monkeypatch):
    at = desk()
    opened = []
    monkeypatch.setattr("app.fileactions.open_outside", lambda path: opened.append(path) or "ok")
    key = "2/M/SCADA-1"  # there is one of that name in each group
    monkeypatch.setattr(
        at.core, "watch",
        lambda topic, on: on and at.core.feed.put_log(
            LogTail(topic.entry, (), f"M-SCADA-1 ({topic.entry[0]}).txt", 0)
        ),
    )  # fmt: skip
    at.window.systems.table.select(key)
    at.window.acts.open_log_file()
    at.person.until(lambda: opened, "it is opened")
    assert opened == [at.window.session.log_folder / "M-SCADA-1 (2).txt"]
    assert key not in at.window.session._sinks


def test_what_a_file_sets_is_told(desk):
    """Who keeps the clock follows a reload."""
    told = []
    at = desk(settings_changed=told.append)
    text = at.file.path.read_text("utf-8")
    at.file.path.write_text(f"ntp_server,192.0.2.9\n{text}", "utf-8")
    at.window.acts.reload()
    assert "Other time servers" in at.window.question.text
    at.window.question.yes.invoke()
    assert [settings.ntp_servers for settings in told] == [("192.0.2.9",)]


def test_nothing_is_lost_when_a_tab_is_changed(desk):
    """The news may come with the very poll that a change of tab asks for."""
    at = desk()
    window = at.window
    window.root.after_cancel(window._poll_id)
    at.core.feed.put_clock(ClockStatus("In step 23:45:02", ClockSeverity.OK, "of a test"))
    at.core.feed.message("a message")
    at.core.put(RTU, RtuState.ONLINE, at.file.config, "", "10.0.0.1:2404", AT)
    window.acts.tab_2()
    at.person.wait()
    assert window.strip.clock.text == "In step 23:45:02"
    assert window.strip.rtus.text == "1 of 3"
    assert window.said == "a message"
    window._poll()


def test_reload_asks_what_restarts_and_follows(desk):
    at = desk()
    window = at.window
    text = at.file.path.read_text("utf-8")
    at.file.path.write_text(text.replace("SCADA-1,10002", "OTHER,10077"), "utf-8")
    at.person.key(window.systems.table.tree, "<Control-r>")
    assert window.question.text == "Reload test.csv?  M/OTHER restarted; the rest goes on."
    window.question.yes.invoke()
    assert at.core.applied[-1][1] == ()
    assert "M/OTHER" in at.person.rows()
    assert window.systems.table.tree.exists("2/M/OTHER")
    window.acts.reload()
    assert "nothing differs" in window.said
    at.file.path.write_text("# empty\n", "utf-8")
    window.acts.reload()
    assert "has no group that can be started; nothing changed" in window.said
    at.file.path.write_text(text.replace("3,", "9,"), "utf-8")
    window.acts.reload()
    assert "roup 9 added" in window.question.text
    window.question.yes.invoke()
    assert "9  STATION-9" in at.person.rows()
    assert "3  STATION-3" not in at.person.rows()
    at.file.path.unlink()
    window.acts.reload()
    assert "cannot be read" in window.said


def test_every_action_of_the_menus_exists_and_every_key_is_unique():
    sequences = [s for menu in actions.MENUS.values() for a in menu for s in a.sequences]
    assert len(set(sequences)) == len(sequences)
    for name in actions.BY_NAME.keys() - {""}:
        assert callable(getattr(Acts, name)), name
    keys = dict(actions.keys())
    assert keys["F5"] == "Restart connection"
    assert "Esc" in keys


def test_help_opens_in_the_window(desk, monkeypatch):
    at = desk()
    window = at.window
    at.person.key(window.systems.table.tree, "<F1>")
    assert "Ctrl+F" in window.sheet.text.get("1.0", "end")
    at.person.key(window.sheet.close_button, "<Escape>")
    assert not window.sheet.is_open
    window.acts.routing()
    assert "From the RTU" in window.sheet.text.get("1.0", "end")
    window.acts.about()
    assert "GNU General Public License" in window.sheet.text.get("1.0", "end")
    opened = []
    monkeypatch.setattr("app.acts.open_outside", lambda path: opened.append(path) or "opened")
    window.acts.manual()
    window.acts.open_log_folder()
    assert opened[0].exists()
    monkeypatch.setattr("app.assets.program_folder", lambda: at.file.path.parent)
    monkeypatch.setattr("sys.prefix", str(at.file.path.parent))
    (at.file.path.parent / "docs").mkdir()
    window.acts.manual()
    assert "manual.html is expected in" in window.said
    (at.file.path.parent / "docs" / "manual.html").write_text("x", "utf-8")
    window.acts.manual()
    assert opened[-1] == at.file.path.parent / "docs" / "manual.html"


def test_the_clock_is_shown(desk):
    at = desk()
    assert at.window.strip.clock.text == "No NTP server configured"
    at.core.feed.put_clock(ClockStatus("In step 23:45:02", ClockSeverity.OK, "from 192.0.2.1"))
    at.person.until(lambda: at.window.strip.clock.text == "In step 23:45:02", "the clock")
    assert at.window.strip._clock_tip() == "from 192.0.2.1\nIn step 23:45:02"


def test_tabs_palettes_and_text_sizes_by_key(desk):
    at = desk()
    window, tree = at.window, at.window.systems.table.tree
    for number in (2, 3, 4, 1):
        at.person.key(window.root, f"<Control-Key-{number}>")
        assert window.tab == number - 1
    size = window.theme.default.actual("size")
    at.person.key(tree, "<Control-plus>")
    assert window.theme.default.actual("size") == size + 1
    assert window.theme.style.lookup("Treeview", "rowheight") > window.theme.line_height
    at.person.key(tree, "<Control-Key-0>")
    window.acts.dark()
    assert str(window.root.cget("background")) == "#1f2329"
    assert str(window.menu_bar.cget("background")) == "#171a1f"
    at.person.wait(0.1)
    window.acts.light()


def test_closing_asks_only_if_links_are_up(desk):
    at = desk()
    window = at.window
    at.core.put(RTU, RtuState.ONLINE, at.file.config, "", "10.0.0.1:2404", AT)
    at.core.put(ONE, MasterState.ONLINE, at.file.config, "", "10.0.0.7:5000", AT)
    at.person.tick()
    at.person.key(window.systems.table.tree, "<Control-q>")
    assert "1 RTU and 1 master are connected" in window.question.text
    assert "stop" not in at.core.calls
    window.question.no.invoke()
    window.ask_close()
    window.question.yes.invoke()
    assert at.core.calls == ["start", "stop"]


def test_closing_at_once_where_nothing_is_connected(desk):
    at = desk()
    at.window.ask_close()
    assert at.core.calls == ["start", "stop"]


def test_a_signal_closes_it(desk):
    at = desk()
    at.window._should_stop = lambda: True
    at.person.until(lambda: at.window._is_closed, "closed")
    assert at.core.calls == ["start", "stop"]


def run(tmp_path, *arguments, code=(), **environment):
    ini = tmp_path / "a.csv"
    ini.write_text("1,A,,1,N,127.0.0.1:1\n1,B,29999,1,Y,\n", "utf-8")
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    start = "; ".join(
        ["import sys", "sys.argv[0] = 'iec104mm2ss'", *code, "from app.cli import main",
         "sys.exit(main())"]
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", start, "-i", str(ini), *arguments], cwd=ROOT, check=False,
        capture_output=True, text=True, timeout=30, env={**env, **environment},
    )  # fmt: skip


@pytest.mark.posix
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a display")
def test_without_a_display_one_line_names_nogui(tmp_path):
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "no window can be opened" in ended.stderr
    assert "--nogui" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_tkinter_one_line_names_the_package(tmp_path):
    ended = run(tmp_path, code=["sys.modules['tkinter'] = None"])
    assert ended.returncode == 1
    assert "apt-get install python3-tk" in ended.stderr
    assert "--nogui" in ended.stderr


def test_importing_the_program_does_not_import_tkinter():
    code = "import app.cli, sys; sys.exit('tkinter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_program_opens_its_window_and_ends_on_sigterm(display, tmp_path):
    import time

    assert not own_display_is_needed()
    ini = tmp_path / "a.csv"
    ini.write_text("1,A,,1,N,127.0.0.1:1\n1,B,29999,1,Y,\n", "utf-8")
    env = {**os.environ, **dict.fromkeys(("XDG_CONFIG_HOME", "APPDATA"), str(tmp_path / "config"))}
    program = subprocess.Popen(
        [sys.executable, ROOT / "iec104mm2ss.py", "-i", ini], env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **START,
    )  # fmt: skip
    log = tmp_path / "log" / "S-A.txt"
    deadline = time.monotonic() + 20 * PATIENCE
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    ask_to_end(program)
    begin = time.monotonic()
    out, err = program.communicate(timeout=10)
    assert (program.returncode, err) == (0, "")
    assert time.monotonic() - begin < 4 * PATIENCE
    assert (tmp_path / "config" / "iec104mm2ss" / "window.json").exists()
    assert "ended" in (tmp_path / "log" / "iec104mm2ss.txt").read_text("utf-8")
    assert "error" not in out.lower()
