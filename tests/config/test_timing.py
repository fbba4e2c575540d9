"""Options that only make sense together, judged when the whole file is read."""

import pytest

from core.config import Options
from core.config.timing import settle
from tests.config.files import GROUP, config, lines

PAIRS = [
    # (settings, what becomes of k w t1 t2, diagnostics)
    ("k,6", (6, 4, 15, 10),
     ["N 1: column k: value '6': does not go with w = 8, so w follows and is now 4; "
      "accepted: w not larger than k"]),
    ("k,1", (1, 1, 15, 10),
     ["N 1: column k: value '1': does not go with w = 8, so w follows and is now 1; "
      "accepted: w not larger than k",
      "W 1: column w: value '1': is more than 2/3 of k = 1, so a sender may have to wait for its "
      "acknowledgement; accepted, but 2/3 of k or less is usual"]),
    ("w,20", (30, 20, 15, 10),
     ["N 1: column w: value '20': does not go with k = 12, so k follows and is now 30; "
      "accepted: w not larger than k"]),
    ("w,32767", (32767, 32767, 15, 10),
     ["N 1: column w: value '32767': does not go with k = 12, so k follows and is now 32767; "
      "accepted: w not larger than k",
      "W 1: column w: value '32767': is more than 2/3 of k = 32767, so a sender may have to wait "
      "for its acknowledgement; accepted, but 2/3 of k or less is usual"]),
    ("w,20\nk,10", (12, 8, 15, 10),
     ["E 2: column w: value '20': does not go with k = 10, so k = 12 and w = 8 are used; "
      "accepted: w not larger than k"]),
    ("w,20\nk,none", (30, 20, 15, 10),
     ["N 1: column w: value '20': does not go with k = 12, so k follows and is now 30; "
      "accepted: w not larger than k",
      "E 2: column k: value 'none': is not a whole number, so it is not used; "
      "accepted: a whole number from 1 to 32767"]),
    ("w,10\nk,12", (12, 10, 15, 10),
     ["W 2: column w: value '10': is more than 2/3 of k = 12, so a sender may have to wait for its "
      "acknowledgement; accepted, but 2/3 of k or less is usual"]),
    ("t1,9", (12, 8, 9, 6),
     ["N 1: column t1: value '9': does not go with t2 = 10, so t2 follows and is now 6; "
      "accepted: t2 smaller than t1"]),
    ("t2,12", (12, 8, 15, 12), []),
    ("t2,16\nt3,60\nidletime,120", (12, 8, 24, 16),
     ["N 1: column t2: value '16': does not go with t1 = 15, so t1 follows and is now 24; "
      "accepted: t2 smaller than t1"]),
    ("t2,255", (12, 8, 15, 10),
     ["E 1: column t2: value '255': does not go with t1 = 15, so t1 = 15 and t2 = 10 are used; "
      "accepted: t2 smaller than t1"]),
    ("t1,10\nt2,10", (12, 8, 15, 10),
     ["E 2: column t2: value '10': does not go with t1 = 10, so t1 = 15 and t2 = 10 are used; "
      "accepted: t2 smaller than t1"]),
    ("t1,20", (12, 8, 20, 10),
     ["W 1: column t3: value '20': is not more than t1 = 20; accepted, but more than t1 is usual"]),
    ("t3,50\nk,12", (12, 8, 15, 10),
     ["W 1: column idletime: value '60': is not more than t3 = 50 and t1 = 15 together, so a quiet "
      "link may be closed before its test is over; accepted, but more is usual"]),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "values", "said"), PAIRS, ids=[rows for rows, _, _ in PAIRS])
def test_pairs_are_judged_when_all_is_read(
    rows: str, values: tuple[int, int, int, int], said: list[str]
) -> None:
    for text in (f"{rows}\n{GROUP}", rows):
        found = [line for line in lines(text) if "no group that can" not in line]
        assert found == [s.replace(" ", " x.csv:", 1) for s in said]
        options = config(text).settings.options
        assert (options.k, options.w, options.t1, options.t2) == values


def test_the_order_of_settings_does_not_matter_for_pairs() -> None:
    assert lines("w,20\nk,40\n" + GROUP) == lines(GROUP + "k,40\nw,20\n") == []


def test_an_entry_judges_its_own_pair_against_the_file() -> None:
    text = "k,40\nw,20\n" + GROUP.replace("Y,", "Y,,k=15,t2=30,t1=20")
    assert lines(text) == [
        "N x.csv:4: column k: value '15': does not go with w = 20, so w follows and is now 10; "
        "accepted: w not larger than k",
        "E x.csv:4: column t2: value '30': does not go with t1 = 20, so t1 = 15 and t2 = 10 are "
        "used; accepted: t2 smaller than t1",
    ]
    options = config(text).groups[0].masters[0].options
    assert (options.k, options.w, options.t1, options.t2) == (15, 10, 15.0, 10.0)


def test_what_is_odd_in_the_file_is_not_said_again_for_every_entry() -> None:
    assert len(lines("w,10\nk,12\n" + GROUP.replace("Y,", "Y,,t3=25"))) == 1


def test_a_settled_pair_is_settled() -> None:
    for given_ in ({"w": 32767}, {"k": 1}, {"t1": 1.0}, {"t2": 254.0}, {"t2": 255.0}):
        options, _ = settle(Options(), given_)
        assert options.w <= options.k
        assert options.t2 < options.t1
