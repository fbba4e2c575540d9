"""What fuzzing has found, each with the smallest input that showed it."""

import pytest

from core.protocol.asdu import Asdu
from core.protocol.codec import DecodeError, decode_asdu
from core.protocol.jsonform import from_json
from core.routing.audience import surplus_octets


def test_a_field_name_with_a_line_end_is_refused_in_one_line():
    with pytest.raises(ValueError, match="is not known here") as caught:
        from_json({"format": "S", "nr": 1, "negativ\ne": True})
    assert str(caught.value).isprintable()


SEGMENTS = "7d 02 0d 00 01 00  84 03 00 01 00 01 02 aa bb  84 03 00 01 00 01 01 cc"


@pytest.mark.parametrize(("octets", "surplus"), [("", 0), (" ee", 1)])
def test_each_segment_of_an_asdu_counts_by_its_own_length(octets, surplus):
    """Only the first one's length was looked at: two segments were too long or too short."""
    asdu = Asdu(bytes.fromhex(SEGMENTS + octets))
    assert surplus_octets(asdu) == surplus


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_segment_that_is_cut_short_is_noticed_wherever_it_stands(cut):
    octets = bytes.fromhex(SEGMENTS)[:-cut]
    assert surplus_octets(Asdu(octets)) < 0
    with pytest.raises(DecodeError):
        decode_asdu(octets)
