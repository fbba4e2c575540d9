"""The tab of all systems, worked at as a person does, on a core that says what it is told."""

import random
from dataclasses import replace
from datetime import datetime

import pytest

from app.forms import Field
from app.prefs import Preferences, load
from app.rows import HEADINGS, Category
from app.window import SMALLEST
from core.status import ClockSeverity, ClockStatus, MasterState, RtuState
from tests.app.gui.fakecore import many

ONE, TWO = "1/M/SCADA-1", "1/M/SCADA-2"
RTU = "1/S/STATION-1"
AT = datetime(2026, 11, 20, 13, 55, 53).astimezone()


def online(desk, *keys):
    for key in keys:
        state = RtuState.ONLINE if "/S/" in key else MasterState.ONLINE
        desk.core.put(key, state, desk.file.config, "", "10.0.0.7:5000", AT)
    desk.person.tick()


def test_every_system_has_a_row_and_its_state_follows_the_core(desk):
    at = desk()
    person, core = at.person, at.core
    assert person.rows()[:4] == ["1  STATION-1", "S/STATION-1", "M/SCADA-1", "M/SCADA-2"]
    assert core.calls == ["start"]
    person.until(lambda: person.cell(RTU, "state") == "Connecting", "the first state")
    online(at, RTU, ONE)
    assert person.cell(ONE, "state") == "Online"
    assert person.cell(ONE, "remote") == "10.0.0.7:5000"
    assert person.cell(ONE, "at") == "2026-11-20 13:55:53"
    assert person.cell("group 1", "state") == "1 of 2 masters"
    core.put(TWO, MasterState.REFUSED, at.file.config, "10.9.3.4: not in the list")
    person.tick()
    assert person.cell(TWO, "event") == "10.9.3.4: not in the list"
    assert at.window.strip.problems.text == "2 RTUs down · 1 refused · 4 held"
    assert at.window.strip.rtus.text == "1 of 3"


def test_filtering_as_one_types_and_esc_clears(desk):
    at = desk()
    person, systems = at.person, at.window.systems
    person.type(systems.filter, "scada-2 station-3")
    assert person.rows() == ["3  STATION-3", "M/SCADA-2"]
    person.type(systems.filter, "port:10002")
    assert person.rows() == ["2  STATION-2", "M/SCADA-1"]
    person.type(systems.filter, "nothing like it")
    assert person.rows() == []
    assert "No system matches 'nothing like it'" in systems._empty.cget("text")
    person.type(systems.filter, "prot:5")
    assert "is not a field" in at.window.said
    assert str(systems.filter.cget("style")) == "Wrong.TEntry"
    person.key(systems.filter, "<Escape>")
    assert len(person.rows()) == 12


def test_the_state_buttons_count_and_choose(desk):
    at = desk()
    online(at, RTU, ONE)
    person, systems = at.person, at.window.systems
    texts = [button.cget("text") for button in systems.state_buttons.values()]
    assert texts == ["All  9", "Online  2", "Waiting  0", "Problem  7"]
    systems.state_buttons[Category.ONLINE].invoke()
    assert person.rows() == ["1  STATION-1", "S/STATION-1", "M/SCADA-1"]
    # Clicking Problems in the strip chooses them.
    person.click(at.window.strip.problems.label)
    assert "M/SCADA-2" in person.rows()
    assert "M/SCADA-1" not in person.rows()[:3]


def test_a_row_that_no_longer_matches_goes_when_nobody_points_at_the_table(desk, monkeypatch):
    monkeypatch.setattr("app.systree.REARRANGE_EVERY", 0.0)
    at = desk()
    person, systems = at.person, at.window.systems
    systems.choose_state(Category.PROBLEM)
    table = systems.table
    table._point(True)
    online(at, RTU)
    assert "S/STATION-1" in person.rows()
    table._point(False)
    person.until(lambda: "S/STATION-1" not in person.rows(), "the row goes")


def test_sorting_by_a_heading_there_and_back(desk):
    at = desk()
    person, tree = at.person, at.window.systems.table.tree
    person.click_heading(tree, "port")
    assert tree.heading("port", "text") == "Port ▲"
    person.click_heading(tree, "port")
    assert tree.heading("port", "text") == "Port ▼"
    assert person.rows()[:4] == ["3  STATION-3", "S/STATION-3", "M/SCADA-2", "M/SCADA-1"]
    person.click_heading(tree, "port")
    assert tree.heading("port", "text") == "Port"
    assert person.rows()[0] == "1  STATION-1"


def test_selection_folds_and_place_survive_filter_sort_and_refill(desk):
    at = desk()
    person, table = at.person, at.window.systems.table
    person.click_row(table.tree, TWO)
    table.tree.item("group 2", open=False)
    person.type(at.window.systems.filter, "scada-2")
    table.sort_by("port")
    at.window.config_changed()
    assert table.selected == TWO
    assert table.folded == [2]
    at.window.systems.escape()
    assert table.selected == TWO
    assert at.window.systems.side.key == TWO


def test_expanding_and_collapsing_with_keys(desk):
    at = desk()
    table = at.window.systems.table
    at.person.key(table.tree, "<slash>")
    assert table.folded == [1, 2, 3]
    at.person.key(table.tree, "<asterisk>")
    assert table.folded == []
    at.window.systems.fold_button.invoke()
    assert table.folded == [1, 2, 3]
    assert at.window.systems.fold_button.cget("text") == "Expand all"


def test_the_side_pane_shows_what_is_selected_and_its_picture_selects(desk):
    at = desk()
    online(at, RTU, ONE)
    person, side = at.person, at.window.systems.side
    person.click_row(at.window.systems.table.tree, ONE)
    assert side._name.cget("text") == "M/SCADA-1"
    assert side._labels["remote"].cget("text") == "10.0.0.7:5000"
    assert side.form.variables[Field.PORT].get() == "10000"
    x, y = side.picture.place_of(TWO)
    person.click(side.picture, x, y)
    assert at.window.systems.table.selected == TWO
    assert side.form.variables[Field.PORT].get() == "10001"
    person.click_row(at.window.systems.table.tree, "group 2")
    assert side._name.cget("text") == "S/STATION-2"
    assert side.form.variables[Field.PORT].get() == "n/a"


def test_a_wrong_field_is_explained_and_cannot_be_applied(desk):
    at = desk()
    person, side = at.person, at.window.systems.side
    person.click_row(at.window.systems.table.tree, ONE)
    person.key(at.window.systems.table.tree, "<F2>")
    assert at.window.root.focus_get() is side.form.fields[Field.NAME]
    person.type(side.form.fields[Field.PORT], "10001")
    assert side._message.cget("text").strip().startswith("Port 10001 is already used by M/SCADA-2")
    assert str(side.form.fields[Field.PORT].cget("style")) == "Bad.TEntry"
    assert side.apply_button.instate(["disabled"])
    person.key(side.form.fields[Field.PORT], "<Control-Return>")
    assert at.core.applied == []
    person.key(side.form.fields[Field.PORT], "<Escape>")
    assert side.form.variables[Field.PORT].get() == "10000"
    assert side._message.winfo_manager() == ""
    assert side.apply_button.instate(["!disabled"])


def test_a_right_field_takes_effect_with_restart_and_renames_the_row(desk):
    at = desk()
    person, side = at.person, at.window.systems.side
    person.click_row(at.window.systems.table.tree, ONE)
    person.type(side.form.fields[Field.NAME], "NEW")
    person.type(side.form.fields[Field.PORT], "10099")
    assert "Changed: Name, Port" in side._message.cget("text")
    side.apply_button.invoke()
    ((config, keys),) = at.core.applied
    assert keys == ("1/M/NEW",)
    assert [master.port for master in config.groups[0].masters] == [10099, 10001]
    person.until(lambda: person.cell("1/M/NEW", "port") == "10099", "the row")
    assert at.window.systems.table.selected == "1/M/NEW"
    assert "1 entry changed, not saved" in at.window.root.title()
    assert at.file.path.read_bytes() == at.file.data  # never by itself


def test_what_is_being_typed_is_not_overwritten_and_comes_back(desk):
    at = desk()
    person, side, session = at.person, at.window.systems.side, at.window.session
    person.click_row(at.window.systems.table.tree, ONE)
    person.type(side.form.fields[Field.HOSTS], "10.7.0.0/16")
    session.edit(replace(session.entries[ONE], port=10055))
    at.window.config_changed((ONE, ONE))
    assert side.form.variables[Field.HOSTS].get() == "10.7.0.0/16"
    assert side.form.is_changed
    person.click_row(at.window.systems.table.tree, TWO)
    person.click_row(at.window.systems.table.tree, ONE)
    assert side.form.variables[Field.HOSTS].get() == "10.7.0.0/16"
    person.key(side.form.fields[Field.HOSTS], "<Escape>")
    assert side.form.variables[Field.PORT].get() == "10055"


def test_restarting_a_master_acts_at_once_and_an_rtu_asks_first(desk):
    at = desk()
    person, window = at.person, at.window
    online(at, RTU, ONE)
    person.click_row(window.systems.table.tree, ONE)
    person.key(window.systems.table.tree, "<F5>")
    assert at.core.applied[-1][1] == (ONE,)
    person.click_row(window.systems.table.tree, RTU)
    person.key(window.systems.table.tree, "<F5>")
    assert window.question.text.startswith("Restart S/STATION-1?  Its connected master is dropped")
    assert len(at.core.applied) == 1
    window.question.no.invoke()
    assert not window.question.is_open
    window.restart(RTU)
    window.question.yes.invoke()
    assert at.core.applied[-1][1] == (RTU,)
    window.restart("2/S/STATION-2")  # nobody is connected there
    assert at.core.applied[-1][1] == ("2/S/STATION-2",)


def test_enter_and_double_click_open_logs_and_the_context_menu_has_every_action(desk):
    at = desk()
    person, window = at.person, at.window
    tree = window.systems.table.tree
    person.click_row(tree, ONE)
    person.key(tree, "<Return>")
    assert window.tab == 1
    assert window.logs.panes[0].key == ONE
    window.acts.tab_1()
    person.click_row(tree, TWO)
    person.key(tree, "<Shift-Return>")
    assert window.logs.panes[1].key == TWO
    window.acts.tab_1()
    person.click_row(tree, RTU, times=2)
    assert window.logs.panes[0].key == RTU
    labels = [
        window.context.entrycget(n, "label")
        for n in range(window.context.index("end") + 1)
        if window.context.type(n) == "command"
    ]
    assert labels[:3] == ["Open log in upper pane", "Open log in lower pane", "Show traffic"]
    assert "Copy remote address" in labels


def test_copying_and_exporting_rows(desk, monkeypatch, tmp_path):
    at = desk()
    online(at, ONE)
    person, tree = at.person, at.window.systems.table.tree
    person.click_row(tree, ONE)
    person.key(tree, "<Control-c>")
    copied = at.window.root.clipboard_get().split("\t")
    assert copied[:4] == ["1 M/SCADA-1", "Online", "10000", "1"]
    at.window.acts.copy_remote()
    assert at.window.root.clipboard_get() == "10.0.0.7:5000"
    target = tmp_path / "out.csv"
    monkeypatch.setattr(
        "app.fileactions.filedialog.asksaveasfilename", lambda **options: str(target)
    )
    person.key(tree, "<Control-e>")
    lines = target.read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("Group / system,State,Port")
    assert len(lines) == 13
    assert at.window.said == f"12 rows written to {target}."


def test_tips_follow_the_row_and_the_heading(desk):
    at = desk()
    person, tree = at.person, at.window.systems.table.tree
    x, y, _, height = tree.bbox(ONE, "state")
    tree.event_generate("<Motion>", x=x + 5, y=y + height // 2)
    person.until(lambda: at.window.tips.shown, "a tip", 2)
    assert "M/SCADA-1   group 1" in at.window.tips.shown
    assert "192.0.2.0/24" in at.window.tips.shown
    tree.event_generate("<Motion>", x=x + 5, y=6)
    person.until(lambda: "Problems are tinted" in at.window.tips.shown, "the heading's tip", 2)
    tree.event_generate("<Leave>")
    person.root.update()
    assert at.window.tips.shown == ""


def test_rates_come_from_counters(desk):
    at = desk()
    online(at, ONE)
    at.core.counters[ONE].asdus_in = 0
    at.window.session._next_sample = 0
    at.person.tick()
    at.core.counters[ONE].asdus_in = 30
    at.window.session._next_sample = 0
    at.person.tick()
    assert at.person.cell(ONE, "in") == "15.0"
    assert at.person.cell("group 1", "in") == "15.0"


def test_everything_is_remembered_but_never_in_the_ini_file(desk, tmp_path):
    path = tmp_path / "prefs" / "window.json"
    at = desk(prefs_path=path, prefs=Preferences(folded=[2], filter="scada"))
    window = at.window
    assert window.systems.table.folded == [2]
    assert window.systems.filter.text == "scada"
    assert len(at.person.rows()) == 9  # no RTU has the word in its name
    window.acts.dark()
    window.acts.larger()
    window.acts.toggle_side_pane()
    window.logs.is_side_by_side.set(True)
    window.root.geometry("1100x640+10+10")
    at.person.wait(0.1)
    window.close()
    saved = load(path)
    assert (saved.palette, saved.text_size, saved.filter) == ("dark", 1, "scada")
    assert saved.folded == [2]
    assert saved.is_side_by_side
    assert not saved.has_side_pane
    assert saved.geometry.startswith("1100x640")
    assert at.file.path.read_bytes() == at.file.data


def test_a_callback_error_is_said_and_the_window_goes_on(desk, expected_errors):
    at = desk()

    def fail():
        raise RuntimeError("of the test")

    at.window.root.after(1, fail)
    at.person.until(lambda: "RuntimeError: of the test" in at.window.said, "it is said")
    assert len(expected_errors) == 1
    at.window.root.after(1, fail)  # again: it would fill the log
    at.window.say("something else")
    at.person.until(lambda: "RuntimeError: of the test" in at.window.said, "it is said again")
    assert len(expected_errors) == 1
    expected_errors.clear()
    online(at, ONE)
    assert at.person.cell(ONE, "state") == "Online"


def clipped(window):
    """Buttons, boxes and labels that are narrower than they should be or reach over the edge."""
    from tkinter import ttk

    right = window.root.winfo_rootx() + window.root.winfo_width()
    floor = window.root.winfo_rooty() + window.root.winfo_height()
    may_be_cut = {str(window._status)}  # the line at the bottom, which has a tip
    waiting = [window.root]
    while waiting:
        widget = waiting.pop()
        waiting += widget.winfo_children()
        kinds = ttk.Button | ttk.Checkbutton | ttk.Label
        if not isinstance(widget, kinds) or not widget.winfo_viewable():
            continue
        is_over = (
            widget.winfo_rootx() + widget.winfo_width() > right
            or widget.winfo_rooty() + widget.winfo_height() > floor
        )
        if str(widget) not in may_be_cut and (
            widget.winfo_reqwidth() > widget.winfo_width()
            or widget.winfo_reqheight() > widget.winfo_height()
            or is_over
        ):
            yield f"{widget} {widget.cget('text')}"


@pytest.mark.parametrize("dpi", [96, 192])
def test_nothing_is_clipped_at_the_smallest_size(desk, dpi):
    at = desk(many(40, 4), dpi=dpi)
    window = at.window
    states = (MasterState.ONLINE, MasterState.REFUSED, MasterState.LISTENING, MasterState.HELD)
    for n, entry in enumerate(at.file.config.entries):
        is_rtu = entry.label.startswith("S/")
        state = RtuState.CONNECTING if n % 2 else RtuState.ONLINE
        put = state if is_rtu else states[n % 4]
        at.core.put(entry.key, put, at.file.config, "10.9.3.4:50122: not in the list of hosts",
                    "10.20.30.40:50122" if put.name == "ONLINE" else "", AT)  # fmt: skip
    text = "+2 h 5 min off · not set: no permission (run as administrator / CAP_SYS_TIME)"
    at.core.feed.put_clock(ClockStatus(text, ClockSeverity.WARNING, "of a test"))
    least = tuple(window.theme.px(n) for n in SMALLEST)
    assert window.root.minsize() == least
    window.root.geometry(f"{least[0]}x{least[1]}+0+0")
    window.systems.table.select(ONE)
    at.person.wait(0.2)
    for counters in at.core.counters.values():
        counters.asdus_in += 1234
        counters.asdus_out += 54321
    window.session._next_sample = 0.0
    at.person.tick()
    window.open_log(ONE, 0)
    window.open_log(RTU, 1)
    window.logs.panes[0].form.variables[Field.PORT].set("10001")  # taken, which is explained
    window.systems.side.form.variables[Field.HOSTS].set("10.1.1.1.1")
    window.show_traffic(ONE)
    window.session.watch_traffic(None)
    found = []
    for act in (window.acts.tab_1, window.acts.tab_2, window.acts.tab_3, window.acts.tab_4):
        act()
        at.person.wait(0.1)
        found += clipped(window)
    window.logs.is_side_by_side.set(True)
    window.logs.lay_out()
    window.acts.tab_2()
    at.person.wait(0.1)
    found += clipped(window)
    window.acts.tab_1()
    window.restart(RTU)
    at.person.wait(0.1)
    found += clipped(window)
    assert not found, "\n".join(found)
    # What the summary has no room for is in its tips.
    assert window.strip.clock.text.endswith("…")
    assert text in window.strip._clock_tip()


def test_what_was_typed_is_done_with_once_it_runs(desk):
    """The question is answered while another system is selected."""
    at = desk()
    window = at.window
    online(at, RTU)
    online(at, ONE)
    window.systems.table.select(RTU)
    at.person.wait()
    form = window.systems.side.form
    form.variables[Field.NAME].set("OTHER")
    window.apply_form(form)
    assert "Restart S/STATION-1" in window.question.text
    window.systems.table.select(TWO)
    at.person.wait()
    form.variables[Field.NAME].set("TYPED")
    window.question.yes.invoke()
    assert form.texts.name == "TYPED"  # of the other system, still being typed
    window.systems.table.select("1/S/OTHER")
    at.person.wait()
    assert not form.is_changed


def test_a_question_about_a_configuration_that_has_gone_is_closed(desk):
    at = desk()
    window = at.window
    online(at, RTU)
    online(at, ONE)
    window.restart(RTU)
    assert window.question.is_open
    at.file.path.write_text(many(2, 2).replace("SCADA-2", "ANOTHER"), "utf-8")
    window.files._take(at.file.read_again(), "read")
    assert not window.question.is_open


ODD = ("{brace", "br}ace", "[exit]", "$env(HOME)", "back\\slash", "-flag", "%s", "#x", "中文 ß")


def test_names_are_only_names(desk):
    rows = []
    for group, name in enumerate(ODD, 1):
        rows += [f"{group},{name},,{group},N,192.0.2.1:2404", f"{group},{name},{group + 9000},1,Y,"]
    at = desk("\n".join(rows) + "\n")
    window = at.window
    assert [row for row in at.person.rows() if row.startswith("M/")] == [f"M/{n}" for n in ODD]
    for entry in list(at.file.config.entries):
        window.systems.table.select(entry.key)
        window.open_log(entry.key, 0)
        at.core.log(entry.key, f"{entry.label} {{x}} [exit] $a \\")
        at.person.tick()
        assert window.logs.panes[0].chooser.get() == f"{entry.label}   ({entry.group})"
        window.show_traffic(entry.key)
        window.acts.tab_1()
        window.acts.copy()
        assert entry.label in window.root.clipboard_get()
    window.systems.filter.put("[exit] -{")
    assert at.person.rows() == ["3  [exit]", "S/[exit]", "M/[exit]"]


def test_a_thousand_groups_are_shown_and_an_edit_touches_one(desk):
    at = desk(many(1000, 5))
    window, tree = at.window, at.window.systems.table.tree
    at.person.until(lambda: len(window.session.statuses) == 6000, "all states", 20)
    session = window.session
    key = "500/M/SCADA-1"
    written = []
    insert = tree.insert
    tree.insert = lambda *a, **k: written.append(k["iid"]) or insert(*a, **k)
    renamed = session.edit(replace(session.entries[key], name="RENAMED"))
    window.config_changed((key, renamed))
    assert written == ["500/M/RENAMED"]
    assert [tree.item(i, "text").strip() for i in tree.get_children("group 500")][:3] == [
        "S/STATION-500", "M/RENAMED", "M/SCADA-2",
    ]  # fmt: skip


def test_rates_are_written_where_they_can_be_seen(desk):
    at = desk(many(60, 2))
    window, tree = at.window, at.window.systems.table.tree
    window.root.geometry("1000x620")
    window.session._next_sample = float("inf")
    for entry in at.file.config.entries:
        online(at, entry.key)
    at.person.until(lambda: window.session.counts().online == 180, "all states")
    at.core.snapshot()
    for _ in range(2):
        for counters in at.core.counters.values():
            counters.asdus_in += 7
        window.session._next_sample = 0.0
        at.person.tick()
        window.session._next_sample = float("inf")
    first, last = "1/M/SCADA-1", "60/M/SCADA-2"
    assert at.person.cell(first, "in") == "7.0"
    assert at.person.cell(last, "in") == ""  # nobody sees it
    assert window.systems.texts()[-1][6] == "7.0"  # but it is known
    tree.see(last)
    at.person.until(lambda: at.person.cell(last, "in") == "7.0", "seen")


def test_everything_at_once(desk):
    """Palette, text size, tabs, size of the window and states change while questions are open."""
    at = desk(many(12, 3))
    window = at.window
    rng = random.Random(8)
    acts = [getattr(window.acts, name) for name in (
        "light", "dark", "larger", "smaller", "toggle_side_pane", "keys", "about", "escape",
        "tab_1", "tab_2", "tab_3", "tab_4", "traffic", "open_upper", "open_lower", "copy", "edit",
        "follow", "pause", "find", "find_next", "save", "reload", "expand_all", "collapse_all",
    )]  # fmt: skip
    for n in range(30):
        window.root.geometry(rng.choice(("1000x620", "1280x800", "1600x1000", "1100x700")))
        rng.choice(acts)()
        for entry in rng.sample(list(at.file.config.entries), 5):
            is_rtu = entry.label.startswith("S/")
            state = rng.choice(list(RtuState if is_rtu else MasterState))
            peer = "10.0.0.1:5" if state.name == "ONLINE" else ""
            at.core.put(entry.key, state, at.file.config, f"event {n}", peer, AT)
            at.core.log(entry.key, f"line {n}")
        window.systems.table.sort_by(rng.choice(list(HEADINGS)))
        window.restart(rng.choice(list(window.session.entries)))
        window.systems.filter.put("".join(rng.choices('abs:-*"(or) 1[{\\', k=rng.randrange(9))))
        at.person.wait(0.01)
    window.acts.escape()
    window.acts.escape()
    window.acts.tab_1()
    window.systems.filter.clear()
    window.systems.choose_state(None)
    at.person.tick()
    assert len(at.person.rows()) == 60
