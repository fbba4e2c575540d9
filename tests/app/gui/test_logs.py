"""The tab with two logs, worked at as a person does."""

from datetime import datetime, timedelta

from app.formats import LineKind
from app.forms import Field
from app.loglines import MOST_LINES, TRIMMED
from core.logs import Level

ONE, TWO, RTU = "1/M/SCADA-1", "1/M/SCADA-2", "1/S/STATION-1"
BEGIN = datetime(2026, 11, 20, 13, 0, 0).astimezone()


def opened(desk, count=20, key=ONE, pane=0):
    for n in range(count):
        desk.core.log(key, f"line {n}", at=BEGIN + timedelta(seconds=n))
    desk.window.open_log(key, pane)
    view = desk.window.logs.panes[pane].log
    desk.person.until(lambda: len(view.lines) == count, "the log")
    return view


def shown(view):
    return view.text.get("1.0", "end-1c").splitlines()


def test_a_log_is_read_when_opened_then_follows(desk):
    at = desk()
    view = opened(at)
    assert shown(view)[0] == "2026-11-20 13:00:00.000000 · line 0"
    assert view.footer.startswith("log/M-SCADA-1.txt  ·  ")
    assert "all 20 lines shown" in view.footer
    at.core.log(ONE, "refused a connection", Level.WARNING)
    at.core.log(TWO, "of another system")
    at.person.until(lambda: len(view.lines) == 21, "the new line")
    assert shown(view)[-1].endswith("▲ warning  refused a connection")
    assert view.text.yview()[1] == 1.0


def test_lines_that_flow_while_a_pane_opens_come_once(desk):
    at = desk()
    for n in range(300):
        at.core.log(ONE, f"line {n}")
    at.window.open_log(ONE, 0)
    for n in range(300, 900):
        at.core.log(ONE, f"line {n}")
        if n % 50 == 0:
            at.person.wait(0.02)
    view = at.window.logs.panes[0].log
    at.person.until(lambda: len(view.lines) == 900, "every line")
    assert [line.text for line in view.lines.last(900)] == [f"line {n}" for n in range(900)]
    assert [line[29:] for line in shown(view)] == [f"line {n}" for n in range(900)]


def test_scrolling_up_pauses_and_the_button_says_how_many_are_new(desk):
    at = desk()
    view = opened(at, 200)
    view._bar_moved("moveto", "0.2")
    assert not view.is_following
    at.core.log(ONE, "new")
    at.core.log(ONE, "newer")
    at.person.until(lambda: view.new_button.winfo_manager(), "the button")
    assert view.new_button.cget("text") == "▼ 2 new lines"
    view.new_button.invoke()
    assert view.is_following
    assert view.new_button.winfo_manager() == ""
    assert view.text.yview()[1] == 1.0
    at.person.key(view.text, "<space>")
    assert not view.is_following
    at.person.key(view.text, "<End>")
    assert view.is_following


def test_finding_counts_and_goes_around(desk):
    at = desk()
    view = opened(at, 25)
    at.person.type(view.find_entry, "LINE 1")
    assert view.found_text == "11 of 11"  # 1 and 10 to 19; the newest first
    at.person.key(view.find_entry, "<F3>")
    assert view.found_text == "1 of 11"
    at.person.key(view.find_entry, "<Shift-F3>")
    assert view.found_text == "11 of 11"
    assert len(view.text.tag_ranges("match")) == 22
    at.core.log(ONE, "one more line 1")
    at.person.until(lambda: view.found_text == "11 of 12", "a new match is counted")
    at.person.type(view.find_entry, "nowhere")
    assert view.found_text == "not found"
    at.window.acts.escape()
    assert view.find_entry.text == ""


def test_kinds_of_lines_can_be_hidden_and_what_is_left_is_copied(desk):
    at = desk()
    view = opened(at, 3)
    at.core.log(ONE, "an error", Level.ERROR)
    at.person.until(lambda: len(view.lines) == 4, "the error")
    view.show_kind(LineKind.INFO, on=False)
    assert view.text.tag_cget("info", "elide") in (1, "1", True)
    view.copy()
    assert at.window.root.clipboard_get().endswith(" : an error")
    assert len(view.shown_lines) == 1
    before = shown(view)
    at.person.key(view.text, "<x>")
    at.person.key(view.text, "<BackSpace>")
    assert shown(view) == before  # read-only


def test_a_log_is_bounded(desk):
    at = desk()
    view = opened(at, 10)
    for n in range(MOST_LINES):
        at.core.log(ONE, f"further {n}")
    at.person.until(lambda: shown(view)[-1].endswith(f"further {MOST_LINES - 1}"), "the last", 20)
    assert len(shown(view)) == len(view.lines)
    assert MOST_LINES - TRIMMED <= len(view.lines) <= MOST_LINES
    assert "newest" in view.footer


def test_linked_scrolling_goes_to_the_same_moment(desk):
    at = desk()
    upper = opened(at, 200, ONE, 0)
    lower = opened(at, 200, RTU, 1)
    upper._bar_moved("moveto", "0.5")
    at.person.wait()
    first = upper.text.index("@0,0").split(".")[0]
    assert abs(int(lower.text.index("@0,0").split(".")[0]) - int(first)) <= 1
    at.window.logs.is_linked.set(False)
    before = lower.text.index("@0,0")
    upper._bar_moved("moveto", "0.1")
    assert lower.text.index("@0,0") == before


def test_panes_swap_choose_and_stand_side_by_side(desk):
    at = desk()
    logs = at.window.logs
    opened(at, 5, ONE, 0)
    opened(at, 6, TWO, 1)
    logs.swap_button.invoke()
    assert [pane.key for pane in logs.panes] == [TWO, ONE]
    at.person.until(lambda: [len(p.log.lines) for p in logs.panes] == [6, 5], "their logs")
    chooser = logs.panes[0].chooser
    chooser.current(0)
    chooser.event_generate("<<ComboboxSelected>>")
    assert logs.panes[0].key == RTU
    logs.is_side_by_side.set(True)
    logs.lay_out()
    at.person.wait(0.1)
    one, two = logs.panes
    assert one.winfo_rooty() == two.winfo_rooty()
    assert one.winfo_rootx() < two.winfo_rootx()
    for pane in logs.panes:
        edge = pane.winfo_rootx() + pane.winfo_width()
        button = pane.restart_button
        assert button.winfo_rootx() + button.winfo_width() <= edge


def test_two_panes_of_one_system_both_get_every_line(desk):
    at = desk()
    opened(at, 5, ONE, 0)
    at.window.open_log(ONE, 1)
    at.core.log(ONE, "for both")
    panes = at.window.logs.panes
    at.person.until(lambda: [len(p.log.lines) for p in panes] == [6, 6], "both")
    panes[1].close()
    at.core.log(ONE, "for the first")
    at.person.until(lambda: len(panes[0].log.lines) == 7, "still watched")


def test_a_second_pane_of_a_log_does_not_disturb_the_first(desk):
    at = desk()
    first = opened(at, 200)
    first._bar_moved("moveto", "0.3")
    at.person.type(first.find_entry, "line 150")
    place = first.text.index("@0,0")
    at.window.open_log(ONE, 1)
    second = at.window.logs.panes[1].log
    at.core.log(ONE, "for both")
    at.person.until(lambda: len(second.lines) == 201, "the second pane")
    at.person.until(lambda: len(first.lines) == 201, "the first pane")
    assert first.text.index("@0,0") == place
    assert first.found_text == "1 of 1"
    assert not first.is_following
    assert shown(second) == shown(first)
    at.window.logs.panes[1].open(TWO)
    at.core.log(ONE, "for the first")
    at.person.until(lambda: len(first.lines) == 202, "the watch goes on")


def test_what_is_hidden_is_not_found(desk):
    at = desk()
    view = opened(at, 12)
    at.core.log(ONE, "line 1, a warning", Level.WARNING)
    at.person.until(lambda: len(view.lines) == 13, "the warning")
    at.person.type(view.find_entry, "line 1")
    assert view.found_text == "4 of 4"
    view.show_kind(LineKind.INFO, on=False)
    assert view.found_text == "1 of 1"
    view.text.focus_force()
    at.person.key(view.text, "<Control-a>")
    at.person.key(view.text, "<Control-c>")
    assert at.window.root.clipboard_get().strip().endswith("warning  line 1, a warning")
    assert "line 11" not in at.window.root.clipboard_get()


def test_the_footer_names_the_file_wherever_it_is(desk, tmp_path):
    elsewhere = tmp_path.parent / f"{tmp_path.name}-logs"
    at = desk(log_folder=elsewhere)
    view = opened(at, 3)
    assert f"{elsewhere.name}/M-SCADA-1.txt" in view.footer
    assert str(elsewhere / "M-SCADA-1.txt") in view._footer_tip()
    # The file was begun anew while it is shown: what counts is what is on the disk.
    elsewhere.mkdir()
    (elsewhere / "M-SCADA-1.txt").write_text("x" * 77, "utf-8")
    at.core.log(ONE, "one more")
    at.person.until(lambda: "77 B" in view.footer, "its size")


def test_editing_in_a_pane_names_the_clash_and_takes_effect(desk):
    at = desk()
    opened(at)
    pane = at.window.logs.panes[0]
    at.person.type(pane.form.fields[Field.PORT], "10001")
    assert "Port 10001 is already used by M/SCADA-2 in group 1." in pane._message.cget("text")
    assert pane.restart_button.instate(["disabled"])
    at.person.type(pane.form.fields[Field.PORT], "10050")
    at.person.type(pane.form.fields[Field.NAME], "OTHER")
    at.person.key(pane.form.fields[Field.NAME], "<Control-Return>")
    assert at.core.applied[-1][1] == ("1/M/OTHER",)
    assert pane.key == "1/M/OTHER"
    assert pane.chooser.get() == "M/OTHER   (1)"


def test_the_program_log_has_what_was_skipped(desk):
    from app.session import PROGRAM_LOG, SECURITY_LOG

    at = desk("1,A,,1,N,192.0.2.1:2404\n1,B,2406,1,Y,\n1,NoPort,,1,Y,\n")
    assert at.window.said == "Ready; 1 row of the ini file skipped (see Program log)"
    program = at.window.program
    assert "1 row skipped" in program._summary.cget("text")
    assert "line 3: ignored: column port no" in program._skipped_text()
    at.window.acts.tab_4()
    at.core.log(PROGRAM_LOG, "NTP: set", Level.INFO)
    at.person.until(lambda: len(program.log.lines) == 1, "a line")
    program.buttons[SECURITY_LOG].invoke()
    at.core.log(SECURITY_LOG, "refused connection", Level.WARNING)
    at.person.until(lambda: "refused connection" in "".join(shown(program.log)), "it")


def test_saving_what_is_shown(desk, monkeypatch, tmp_path):
    at = desk()
    view = opened(at, 3)
    target = tmp_path / "saved.txt"
    monkeypatch.setattr(
        "app.fileactions.filedialog.asksaveasfilename", lambda **options: str(target)
    )
    view._save(view)
    assert target.read_text("utf-8").splitlines()[0].endswith(" : line 0")
    assert at.window.said.startswith("3 lines written to")
