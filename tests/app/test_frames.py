"""What the Traffic tab says about a frame."""

from datetime import UTC, datetime

import pytest

from app.frames import Tone, frame_row, octet_views, rewritten
from core.feed import Frame, Sent
from core.protocol.codec import DataUnit, IFrame, encode_apdu
from core.protocol.codes import Cause, TypeId
from core.protocol.objects import (
    DoublePoint,
    Interrogation,
    Quality,
    ShortFloat,
    SingleCommand,
    SinglePoint,
)

AT = datetime(2026, 11, 20, 23, 51, 12, 792_345, tzinfo=UTC)
LABELS = {"r": "S/RTU", "m": "M/OSI-1", "n": "M/ABB-1"}


def frame(octets: bytes, entry: str = "r", sent: tuple[Sent, ...] = ()) -> Frame:
    return Frame(1, 5, AT, entry, True, octets, sent)


def i_frame(unit: DataUnit, ns: int = 929, nr: int = 42) -> bytes:
    return encode_apdu(IFrame(ns, nr, unit))


CASES = [
    (DataUnit(TypeId.M_SP_NA_1, Cause.SPONTANEOUS, 32, (SinglePoint(193, False),)),
     ("M_SP_NA_1 1", "3 spontaneous", "32", "193", "off", "good"), Tone.PLAIN),
    (DataUnit(TypeId.M_DP_NA_1, Cause.SPONTANEOUS, 32, (DoublePoint(1, 2), DoublePoint(9, 1))),
     ("M_DP_NA_1 3", "3 spontaneous", "32", "1 +1", "on", "good"), Tone.PLAIN),
    (DataUnit(TypeId.M_ME_NC_1, Cause.INTERROGATED, 32,
              (ShortFloat(7, 1.5, Quality.INVALID | Quality.NOT_TOPICAL),)),
     ("M_ME_NC_1 13", "20 interrogated", "32", "7", "1.5", "not topical, invalid"), Tone.INVALID),
    (DataUnit(TypeId.C_SC_NA_1, Cause.ACTIVATION, 47, (SingleCommand(5001, True, select=True),)),
     ("C_SC_NA_1 45", "6 activation", "47", "5001", "on select", ""), Tone.COMMAND),
    (DataUnit(TypeId.C_SC_NA_1, Cause.ACTIVATION_CON, 47, (SingleCommand(5001, True),),
              negative=True),
     ("C_SC_NA_1 45", "7 activation con negative", "47", "5001", "on execute", ""), Tone.INVALID),
    (DataUnit(TypeId.C_IC_NA_1, Cause.ACTIVATION, 65535, (Interrogation(0, 20),)),
     ("C_IC_NA_1 100", "6 activation", "all", "0", "station", ""), Tone.COMMAND),
]  # fmt: skip


@pytest.mark.parametrize(("unit", "cells", "tone"), CASES)
def test_an_i_frame_in_words(unit: DataUnit, cells: tuple[str, ...], tone: Tone) -> None:
    row = frame_row(frame(i_frame(unit)), LABELS)
    assert row.cells == ("S/RTU", "\N{EN DASH}", "I 929/42", *cells)
    assert (row.tone, row.kind, row.time) == (tone, "I", "23:51:12.792")


def test_frames_of_the_link_and_broken_ones() -> None:
    assert frame_row(frame(bytes.fromhex("680401000400")), LABELS).cells[2:4] == (
        "S 2", "acknowledge",
    )  # fmt: skip
    row = frame_row(frame(bytes.fromhex("680443000000"), "m"), LABELS)
    assert (row.cells[0], row.cells[3], row.kind, row.tone) == (
        "M/OSI-1",
        "TESTFR act",
        "U",
        "link",
    )
    for octets in (b"", b"\x68", b"\x00" * 6, bytes.fromhex("680e0000000001010300200001")):
        assert frame_row(frame(octets), LABELS).tone is Tone.INVALID


def test_an_unknown_type_shows_its_octets() -> None:
    octets = bytes.fromhex("680d000000008c01030020000102 03".replace(" ", ""))
    row = frame_row(frame(octets), LABELS)
    assert row.cells[3] == "unknown 140"
    assert row.cells[7] == "01 02 03"


def test_where_it_went_and_what_was_rewritten() -> None:
    unit = DataUnit(TypeId.C_SC_NA_1, Cause.ACTIVATION_CON, 32, (SingleCommand(5001, True),), oa=2)
    octets = i_frame(unit)
    first = octets[:2] + b"\x10\x00\x20\x00" + octets[6:9] + b"\x00\x2f\x00" + octets[12:]
    made = frame(octets, "r", (Sent("m", first), Sent("n", octets), Sent("x", octets)))
    row = frame_row(made, LABELS)
    assert row.cells[1] == "M/OSI-1 +2"
    assert row.cells[5] == "32 → 47"
    assert row.fields["to"] == ("M/OSI-1", "M/ABB-1", "x")
    assert row.fields["ca"] == ("32", "47")
    assert rewritten(made, LABELS) == [("M/OSI-1", "CA 32 becomes 47, OA 2 becomes 0")]
    received, one, two, _ = octet_views(made, LABELS)
    assert received.title == "received from S/RTU"
    assert received.rewritten == one.rewritten == ((9, 11),)  # the link's numbers are not marked
    assert two.rewritten == ()
    assert octet_views(frame(octets), LABELS)[0].rewritten == ()
