"""How values run over time, and how a user's text for that is read."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.simulator.courses import FORMS, CourseError, course_of_unit, read_course

RUNS = [
    ("sine(10,20,60)", {0: 15.0, 15: 20.0, 30: 15.0, 45: 10.0, 60: 15.0}),
    ("sine(10,20,60,15)", {0: 20.0, 15: 15.0}),
    ("ramp(0,100,10)", {0: 0.0, 2.5: 25.0, 9: 90.0, 10: 0.0}),
    ("steps(-2,2,8)", {0: -2.0, 1: -1.0, 4: 2.0, 6: 0.0, 8: -2.0}),
    ("toggle(10)", {0: 0.0, 4.9: 0.0, 5: 1.0, 9.9: 1.0, 10: 0.0}),
    ("toggle(10,5)", {0: 1.0, 5: 0.0}),
    ("counter(2,100)", {0: 100.0, 10: 120.0}),
    (" Constant ( 7.5 ) ", {0: 7.5, 1000: 7.5}),
]


@pytest.mark.parametrize(("text", "values"), RUNS)
def test_a_course_has_its_value_at_every_time(text, values):
    run = read_course(text).start(Random(1))
    assert {t: run(t) for t in values} == pytest.approx(values)


@pytest.mark.parametrize("text", ["voltage", "frequency", "current(1,2)", "power(3,9)"])
def test_courses_by_chance_repeat_with_the_same_chance(text):
    course = read_course(text)
    assert str(course) == text
    one, other = (course.start(Random(3)) for _ in range(2))
    found = [one(t) for t in range(10)]
    assert found == [other(t) for t in range(10)]
    assert len(set(found)) > 1


BAD = [
    ("", "is no course"),
    ("sinus(1,2,3)", "is no course"),
    ("sine(1,2", "is no course"),
    ("sine(1,2)", "has 2 numbers, sine(low,high,period[,phase]) is wanted"),
    ("ramp(1,x,3)", "has something that is no number, ramp(low,high,period[,phase]) is wanted"),
    ("ramp(1,nan,3)", "has a number that is too large"),
    ("toggle(0)", "has a period that is not above 0 s"),
    ("sine(1,2,-5)", "has a period that is not above 0 s"),
]


@pytest.mark.parametrize(("text", "why"), BAD)
def test_what_is_no_course_is_said(text, why):
    with pytest.raises(CourseError) as error:
        read_course(text)
    assert str(error.value) == why


@given(st.text() | st.from_regex(r"[a-z]{4,8}\([0-9.,e-]*\)"))
def test_any_text_is_a_course_or_an_error(text):
    try:
        run = read_course(text).start(Random(1))
    except CourseError:
        return
    assert isinstance(run(12.5), float)


def test_units_choose_a_course_and_unknown_ones_do_not():
    assert str(course_of_unit(" V ")) == "voltage"
    assert str(course_of_unit("hz")) == "frequency"
    assert course_of_unit("furlong") is None
    assert "sine(low,high,period[,phase])" in FORMS
