"""When the RTU is slowed down: for a healthy master, briefly, and not soon again."""

from core.routing.brake import Brake


def braking(since=100.0):
    brake = Brake()
    assert brake.wants_on(since, since)
    return brake


def test_it_is_off_at_first_and_nothing_is_to_be_released():
    brake = Brake()
    assert not brake.is_on
    assert not brake.wants_off(True, 1e9)


def test_a_master_that_acknowledged_within_50_ms_brakes():
    for age in (0.0, 0.02, 0.049):
        brake = Brake()
        assert brake.wants_on(100.0 - age, 100.0)
        assert brake.is_on


def test_a_master_that_acknowledges_nothing_never_brakes():
    brake = Brake()
    for age in (0.051, 1.0, 1e6, float("inf")):
        assert not brake.wants_on(100.0 - age, 100.0)
    assert not brake.is_on


def test_a_master_that_acknowledges_nothing_does_not_use_up_the_brake():
    brake = Brake()
    assert not brake.wants_on(99.0, 100.0)
    assert brake.wants_on(100.0, 100.0)


def test_it_is_put_on_once_and_not_prolonged():
    brake = braking()
    until = brake.until
    assert not brake.wants_on(100.03, 100.03)
    assert brake.is_on
    assert brake.until == until


def test_it_ends_when_all_have_caught_up():
    brake = braking()
    assert not brake.wants_off(False, 100.01)
    assert brake.is_on
    assert brake.wants_off(True, 100.02)
    assert not brake.is_on
    assert not brake.wants_off(True, 100.03)


def test_it_ends_after_50_ms_though_nobody_has_caught_up():
    brake = braking()
    assert not brake.wants_off(False, 100.049)
    assert abs(brake.until - 100.05) < 1e-9
    assert brake.wants_off(False, brake.until)
    assert not brake.is_on


def test_it_rests_for_a_second():
    brake = braking()
    assert brake.wants_off(False, brake.until)
    released = brake.until
    for later in (0.0, 0.5, 0.999):
        assert not brake.wants_on(released + later, released + later)
    assert brake.wants_on(released + 1.001, released + 1.001)


def test_it_rests_for_a_second_also_after_a_short_use():
    brake = braking()
    assert brake.wants_off(True, 100.001)
    assert not brake.wants_on(101.0, 101.0)
    assert brake.wants_on(101.002, 101.002)


def test_an_rtu_is_held_for_a_small_part_of_the_time_at_most():
    brake, held, steps = Brake(), 0, 20_000
    for step in range(steps):  # 20 s by the millisecond, with a master that is always behind
        now = step / 1000
        brake.wants_off(False, now)
        brake.wants_on(now, now)
        held += brake.is_on
    assert 0.03 < held / steps < 0.06
