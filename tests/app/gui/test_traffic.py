"""The tab of the traffic on made-up frames; the real wire is in test_live."""

from datetime import datetime, timedelta

from app.traffic import HIDDEN_SECONDS, MOST_FRAMES
from core.feed import Frame, Sent, TrafficOf

ONE, TWO, RTU = "1/M/SCADA-1", "1/M/SCADA-2", "1/S/STATION-1"
BEGIN = datetime(2026, 11, 20, 13, 0, 0).astimezone()
COMMAND = bytes.fromhex("680e200754002d01060020008913 0001".replace(" ", ""))
SENT_ON = bytes.fromhex("680e520 01c032d0106022f00891300 01".replace(" ", ""))


def frame(number, octets=COMMAND, entry=ONE, sent=(), received=True):
    return Frame(1, number, BEGIN + timedelta(milliseconds=number), entry, received, octets, sent)


def watching(desk):
    desk.window.show_traffic(ONE)
    desk.person.wait(0.05)
    return desk.window.traffic_tab


def test_nothing_is_watched_until_asked_and_the_watch_ends_when_nobody_looks(desk):
    at = desk()
    assert not [t for t in at.core.watched if isinstance(t, TrafficOf)]
    tab = watching(at)
    assert TrafficOf(1) in at.core.watched
    assert at.window.tab == 2
    at.window.acts.tab_1()
    tick = at.window.session.poll()
    tick.sampled = True
    for _ in range(HIDDEN_SECONDS):
        tab.take(tick, is_visible=False)
    assert not [t for t in at.core.watched if isinstance(t, TrafficOf)]


def test_a_command_is_shown_with_what_became_of_it(desk):
    at = desk()
    tab = watching(at)
    at.core.frames([frame(1)])
    at.person.until(lambda: tab.tree.exists("1"), "the frame")
    assert tab.tree.set("1", "to") == "\N{EN DASH}"
    at.core.frames([frame(1, sent=(Sent(RTU, SENT_ON),)), frame(2, bytes.fromhex("680443000000"))])
    at.person.until(lambda: tab.tree.exists("2"), "the next")
    assert tab.tree.set("1", "to") == "S/STATION-1"
    assert tab.tree.set("1", "type") == "C_SC_NA_1 45"
    assert tab.tree.set("1", "ca") == "32 → 47"
    assert tab.tree.set("1", "ioa") == "5001"
    assert tab.tree.set("1", "value") == "on execute"
    assert tab.tree.set("2", "type") == "TESTFR act"
    at.person.click_row(tab.tree, "1")
    text = tab.detail.octets.get("1.0", "end")
    assert "received from M/SCADA-1" in text
    assert "sent on to S/STATION-1" in text
    marked = tab.detail.octets.tag_ranges("rewritten")
    spans = zip(marked[::2], marked[1::2], strict=True)
    assert [tab.detail.octets.get(a, b) for a, b in spans] == [
        "00 20", "02 2f",
    ]  # fmt: skip
    fields = [tab.detail.fields.item(i, "text").strip() for i in tab.detail.fields.get_children("")]
    assert fields == ["Rewritten for S/STATION-1", "APCI", "ASDU"]


def test_filter_kinds_pause_and_clear(desk):
    at = desk()
    tab = watching(at)
    at.core.frames([frame(1), frame(2, bytes.fromhex("680401000400"), RTU, received=False),
                    frame(3, bytes.fromhex("680443000000"))])  # fmt: skip
    at.person.until(lambda: tab.tree.exists("3"), "three")
    tab._kinds["S"].set(False)
    tab.rearrange()
    assert tab.tree.get_children("") == ("1", "3")
    at.person.type(tab.filter, "type:C_* or ioa:1")
    assert tab.tree.get_children("") == ("1",)
    at.person.type(tab.filter, "nonsense:1")
    assert "is not a field" in at.window.said
    at.window.acts.escape()
    assert tab.tree.get_children("") == ("1", "3")
    at.person.key(tab.tree, "<space>")
    assert tab.is_paused
    at.core.frames([frame(4)])
    at.person.until(lambda: "1 frame waiting" in tab._note.cget("text"), "it waits")
    at.person.key(tab.tree, "<End>")
    at.person.until(lambda: tab.tree.exists("4"), "it comes")
    tab.clear()
    at.core.frames([frame(4, sent=(Sent(RTU, SENT_ON),)), frame(5)])
    at.person.until(lambda: tab.tree.exists("5"), "the next")
    assert tab.tree.get_children("") == ("5",)  # 4 was cleared


def test_the_table_is_bounded_and_a_tick_short(desk):
    at = desk()
    tab = watching(at)
    for begin in range(0, MOST_FRAMES + 2000, 2000):
        at.core.frames([frame(n) for n in range(begin, begin + 2000)])
        at.window.traffic_tab.take(at.window.session.poll(), is_visible=True)
    last = MOST_FRAMES + 1999
    while tab._pending or not at.core.feed._rings or last not in tab._frames:
        at.person.tick()
    assert len(tab._frames) <= MOST_FRAMES
    assert len(tab.tree.get_children("")) == len(tab._frames)


def test_malformed_frames_are_shown_too(desk):
    at = desk()
    tab = watching(at)
    at.core.frames([frame(1, COMMAND[:-1]), frame(2, b"\x68\x04\x00\x00"), frame(3, b"")])
    at.person.until(lambda: tab.tree.exists("3"), "all")
    at.person.click_row(tab.tree, "1")
    assert tab.tree.item("1", "tags") == ("invalid",)
