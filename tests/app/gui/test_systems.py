"""The tab of all systems, worked at as a person does, on a core that says what it is told."""

from dataclasses import replace
from datetime import datetime

import pytest

from app.forms import Field
from app.prefs import Preferences, load
from app.rows import Category
from core.status import MasterState, RtuState

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
    expected_errors.clear()
    online(at, ONE)
    assert at.person.cell(ONE, "state") == "Online"


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_nothing_is_clipped_at_the_smallest_size(desk, palette):
    from tkinter import ttk

    at = desk(palette=palette)
    window = at.window
    window.root.geometry("1000x620")
    window.systems.table.select(ONE)
    at.person.wait(0.2)

    def clipped(widget):
        for child in widget.winfo_children():
            if isinstance(child, ttk.Button | ttk.Checkbutton) and child.winfo_viewable():
                right = child.winfo_rootx() + child.winfo_width()
                bottom = child.winfo_rooty() + child.winfo_height()
                edge = window.root.winfo_rootx() + window.root.winfo_width()
                floor = window.root.winfo_rooty() + window.root.winfo_height()
                if child.winfo_reqwidth() > child.winfo_width() or right > edge or bottom > floor:
                    yield f"{child} {child.cget('text')}"
            yield from clipped(child)

    found = []
    for act in (window.acts.tab_1, window.acts.tab_2, window.acts.tab_3, window.acts.tab_4):
        act()
        at.person.wait(0.1)
        found += clipped(window.root)
    assert found == []
