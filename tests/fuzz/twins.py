"""The group against its twin (`tests/routing`), driven by a fuzzer's octets instead of chance."""

from hypothesis.stateful import get_state_machine_test

from tests.routing.test_group_properties import Network


class _Life(Network):
    """A network whose octets may end in the middle of what the RTU says: nothing follows then.

    The twin has heard the first part of it and the group has not; they agree no more.
    """

    is_cut_off = False

    def speak(self, data, n, kinds):
        self.is_cut_off = True
        super().speak(data, n, kinds)
        self.is_cut_off = False

    def teardown(self):
        if not self.is_cut_off:
            super().teardown()


_machine = get_state_machine_test(_Life)


def one_input(data: bytes) -> None:
    """A life of the network of the twin; octets that are no life are no fault."""
    _machine.hypothesis.fuzz_one_input(data)
