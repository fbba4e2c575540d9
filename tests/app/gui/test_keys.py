"""Every shortcut, wherever the keyboard is; tips everywhere."""

import pytest

from app import actions
from app.acts import Acts
from app.forms import Field

PLACES = {
    "the table": lambda w: w.systems.table.tree,
    "the filter": lambda w: w.systems.filter,
    "a yellow field": lambda w: w.systems.side.form.fields[Field.NAME],
    "a log": lambda w: w.logs.panes[0].log.text,
    "a find field": lambda w: w.logs.panes[0].log.find_entry,
    "a chooser": lambda w: w.logs.panes[0].chooser,
    "the traffic": lambda w: w.traffic_tab.tree,
    "the octets": lambda w: w.traffic_tab.detail.octets,
    "the program log": lambda w: w.program.log.text,
    "a button": lambda w: w.systems.fold_button,
}
KEYS = [
    (action.name, sequence)
    for menu in actions.MENUS.values()
    for action in menu
    for sequence in action.sequences
]


def tab_of(window, widget):
    return next(tab for tab in window.all_tabs if str(widget).startswith(str(tab)))


def pressed(desk, monkeypatch):
    """A window whose actions only say that they were called."""
    called = []
    for name in {*(name for name, _ in KEYS), "escape"}:
        monkeypatch.setattr(Acts, name, lambda _self, name=name: called.append(name))
    return desk(), called


def test_every_shortcut_works_wherever_the_keyboard_is(desk, monkeypatch):
    at, called = pressed(desk, monkeypatch)
    window = at.window
    silent = []
    for place, find in PLACES.items():
        widget = find(window)
        window.tabs.open(tab_of(window, widget))
        at.person.wait(0.01)
        widget.focus_force()
        at.person.root.update()
        for name, sequence in [*KEYS, ("escape", "<Escape>")]:
            called.clear()
            widget.event_generate(sequence)
            if called != [name]:
                silent.append((place, sequence, name, list(called)))
    assert not silent, "\n".join(map(str, silent))


def test_keys_of_the_table(desk):
    """Those that belong to one widget: there they have their own meaning."""
    at = desk()
    window, tree = at.window, at.window.systems.table.tree
    opened = []
    window.open_log = lambda key, pane: opened.append((key, pane))
    window.systems.table.select("1/M/SCADA-1")
    at.person.key(tree, "<Return>")
    at.person.key(tree, "<Shift-Return>")
    assert opened == [("1/M/SCADA-1", 0), ("1/M/SCADA-1", 1)]
    at.person.key(tree, "<slash>")
    assert window.systems.table.folded == [1, 2, 3]
    at.person.key(tree, "<asterisk>")
    assert window.systems.table.folded == []
    posted = []
    window.context.tk_popup = lambda x, y: posted.append((x, y))
    for key in ("<Shift-F10>", "<Menu>"):
        at.person.key(tree, key)
    assert len(posted) == 2
    at.person.key(tree, "<Control-c>")
    assert window.root.clipboard_get().startswith("1 M/SCADA-1\t")
    # In a field * and / are only characters.
    window.systems.filter.focus_force()
    window.systems.filter.event_generate("<slash>")
    assert window.systems.table.folded == []


def test_f2_ctrl_enter_and_esc_in_the_form(desk):
    at = desk()
    window, tree = at.window, at.window.systems.table.tree
    window.systems.table.select("1/M/SCADA-1")
    at.person.key(tree, "<F2>")
    field = window.systems.side.form.fields[Field.NAME]
    assert str(window.root.focus_get()) == str(field)
    at.person.type(field, "OTHER")
    at.person.key(field, "<Escape>")
    assert field.get() == "SCADA-1"
    at.person.type(field, "OTHER")
    at.person.key(field, "<Control-Return>")
    assert at.core.applied[-1][1] == ("1/M/OTHER",)


def test_f3_and_the_other_keys_of_a_log(desk):
    at = desk()
    window = at.window
    for n in range(12):
        at.core.log("1/M/SCADA-1", f"line {n}")
    window.open_log("1/M/SCADA-1", 0)
    view = window.logs.panes[0].log
    at.person.until(lambda: len(view.lines) == 12, "the log")
    view.text.focus_force()
    at.person.key(view.text, "<Control-f>")
    assert str(window.root.focus_get()) == str(view.find_entry)
    at.person.type(view.find_entry, "line 1")
    assert view.found_text == "3 of 3"
    at.person.key(view.text, "<F3>")
    assert view.found_text == "1 of 3"
    at.person.key(view.text, "<Shift-F3>")
    assert view.found_text == "3 of 3"
    at.person.key(view.text, "<Control-a>")
    at.person.key(view.text, "<Control-c>")
    assert window.root.clipboard_get().count("\n") >= 11


@pytest.mark.parametrize("tab", range(4))
def test_everything_has_a_tip(desk, tab):
    at = desk()
    window = at.window
    window.open_log("1/M/SCADA-1", 0)
    window.tabs.select(tab)
    at.person.wait()
    wanted = {"TButton", "TEntry", "TCheckbutton", "TCombobox", "Treeview", "Canvas", "TNotebook"}
    waiting, without = [window.root], []
    while waiting:
        widget = waiting.pop()
        waiting += widget.winfo_children()
        if (
            widget.winfo_class() in wanted
            and widget.winfo_viewable()
            and not window.tips.has(widget)
        ):
            without.append(str(widget))
    assert without == []
    empty = window.systems.filter.parts()[1]  # it covers the entry while that is empty
    assert window.tips.has(empty)
