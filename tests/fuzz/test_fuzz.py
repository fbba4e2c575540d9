"""The corpus, a short seeded run, and the proof that faults are seen.

The long run is `python -m tests.fuzz`.
"""

import pytest

from core.protocol import link, outbox
from core.routing import control, questions
from tests.fuzz.finds import Finds
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import BY_NAME, CORPUS, TARGETS, corpus_of, write_corpus

SEED = 104
INPUTS = {
    "framing": 8000, "links": 8000, "apdus": 1200, "asdus": 2500, "jsonform": 4000,
    "routing": 1000, "configs": 300, "scenarios": 1500, "points": 1500, "requests": 1200,
    "twins": 20,
}  # fmt: skip
"""About a second for each."""
BY_TARGET = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@BY_TARGET
def test_seeds_and_corpus_find_nothing(target):
    inputs = [*target.seeds(), *corpus_of(target.name)]
    assert inputs
    for data in inputs[:20] if target.is_slow else inputs:
        target.run(data)


@BY_TARGET
def test_a_short_run_finds_nothing(target):
    mutator = Mutator(target, corpus_of(target.name), SEED)
    for number in range(INPUTS[target.name]):
        data = mutator.make(number)
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"input {number} of seed {SEED}: {data.hex()}")
            raise


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 300_000


def test_every_input_can_be_made_again():
    for target in TARGETS:
        one, other = (Mutator(target, [b"abc"], 7) for _ in range(2))
        assert [one.make(n) for n in (3, 1, 2)] == [other.make(n) for n in (3, 1, 2)]
        assert all(len(one.make(n)) <= target.longest for n in range(50))


def test_a_corpus_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.fuzz.targets.CORPUS", tmp_path)
    inputs = [b"\0\xff", b"", b"a longer one"]
    write_corpus("links", inputs[:1] + inputs[2:])
    assert corpus_of("links") == [b"\0\xff", b"a longer one"]
    assert corpus_of("framing") == []


def test_a_fault_is_kept_once_with_its_shortest_input(tmp_path):
    finds = Finds("x", tmp_path)

    def fail(data):
        try:
            raise ValueError(data)
        except ValueError as error:
            return finds.add(error, data)

    assert fail(b"long input")
    assert not fail(b"short")
    assert [data for data, _ in finds.found.values()] == [b"short"]
    assert "ValueError" in next(tmp_path.iterdir()).read_text()


# A target that sees nothing would look the same on a good program.


def finds_something(name, inputs=3000):
    mutator = Mutator(BY_NAME[name], corpus_of(name), SEED)

    def run():
        for number in range(inputs):
            BY_NAME[name].run(mutator.make(number))

    with pytest.raises((AssertionError, LookupError)):
        run()


def test_a_length_that_is_not_checked_is_found(monkeypatch):
    monkeypatch.setattr(link, "wrong_beginning", lambda octets: None)
    finds_something("framing")


def test_a_window_that_is_too_large_is_found(monkeypatch):
    take = outbox.Outbox.take
    monkeypatch.setattr(outbox.Outbox, "take", lambda self, room, now: take(self, room + 1, now))
    finds_something("links")


def test_an_answer_to_the_wrong_master_is_found(monkeypatch):
    owners = control._owners
    monkeypatch.setattr(
        control, "_owners", lambda askers: [(seat % 2 + 1, oa) for seat, oa in owners(askers)]
    )
    finds_something("routing")


def test_a_question_that_is_never_forgotten_is_found(monkeypatch):
    expire = questions.Questions.expire
    monkeypatch.setattr(
        questions.Questions,
        "expire",
        lambda self, now: [] if len(self) == 1 else expire(self, now),
    )
    finds_something("routing")
