"""What the design says about who receives what, as plainly as it can be said: a group's twin.

It knows nothing of the program's ways: lists that are searched, rules in the order of the design.
Each call returns the octets that must come out, by seat.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from core.protocol.asdu import Asdu
from core.routing.actions import RTU

from .asdus import ANSWERS, changed

RTU_NUMBER, FOREIGN, ALL = 32, 99, 65535
COMMANDS = (45, 49, 62)
"""Of those that are asked here."""
SELECT_AT = {45: 3, 49: 5, 62: 5}
"""The octet with the select bit."""
COMMAND_TIMEOUT, TERM_TIMEOUT = 10.0, 120.0
UNDER_WAY = 5.0
"""A confirmed command keeps others out for so long, of an RTU that terminates."""
QUICK_TURN = 15.0


def addressed(what, oa, ca):
    """The octets of an ASDU as a receiver sees them."""
    return what.octets[:3] + bytes([oa, ca % 256, ca // 256]) + what.octets[6:]


def is_kept(what):
    """An event for everyone; no other type is asked or answered here with these causes."""
    return what.cause in (3, 11, 12) and (what.type_id <= 44 or what.type_id >= 128)


def is_select(what):
    at = SELECT_AT.get(what.type_id)
    return at is not None and what.cause == 6 and what.objects[at] & 0x80 != 0


def takes_turns(what):
    """C_IC, and C_CI that freezes nothing; activations and their ends."""
    return what.type_id == 100 or (what.type_id == 101 and what.objects[3] & 0xC0 == 0)


def qualifier_of(what):
    """QOI, or the request of a QCC."""
    return (
        what.objects[3] & {100: 0xFF, 101: 0x3F}[what.type_id] if what.type_id in (100, 101) else 0
    )


def refusal(what):
    return changed(what, {6: 7, 8: 9}.get(what.cause, 45), negative=True)


@dataclass(eq=False)
class Asked:
    """A question as the twin remembers it."""

    askers: list
    """(seat, his ASDU); empty: the gateway's own, or everybody has left."""
    asdu: Asdu
    """What the RTU is given, but for the addresses."""
    ca: int
    slot: int
    accepted_at: float
    phase: str = "unsent"
    deadline: float = 0.0
    confirmed_at: float | None = None
    silent_until: float = 0.0
    """Expired without any answer, it keeps its key until then."""

    @property
    def seat(self):
        return self.askers[0][0] if self.askers else None

    @property
    def key(self):
        return self.asdu.type_id, self.ca, self.asdu.ioa

    @property
    def what(self):
        return self.asdu.type_id, self.ca, qualifier_of(self.asdu)

    @property
    def is_read(self):
        return self.asdu.type_id == 102

    @property
    def is_command(self):
        return self.asdu.type_id in COMMANDS and self.asdu.cause == 6

    @property
    def goes_on_to_termination(self):
        what = self.asdu
        if what.cause != 6 or is_select(what):
            return False
        return what.type_id in COMMANDS or takes_turns(what)

    @property
    def is_late(self):
        return self.phase in ("silent", "expired")

    def waits_for(self, cause):
        is_unanswered = self.phase in ("asked", "silent")
        if cause == 10:
            return not is_unanswered
        if cause == 9:
            return is_unanswered and self.asdu.cause == 8
        if cause == 7:
            return is_unanswered and self.asdu.cause != 8
        return is_unanswered

    def leave(self, seat):
        self.askers = [asker for asker in self.askers if asker[0] != seat]


@dataclass(eq=False)
class Selected:
    """A point that a select keeps to its master, or, being ended, to nobody."""

    select: Asked
    seat: int
    until: float
    end: Asked | None = None


@dataclass(eq=False)
class Turn:
    """An interrogation at the RTU."""

    whose: tuple
    question: Asked
    progress_at: float


@dataclass
class Twin:
    """A group as the design has it; times come from outside."""

    policy: object
    numbers: dict
    """By seat from 1 on."""
    rights: dict
    clock: dict
    buffer: int
    now: float
    started: set = field(default_factory=set)
    unsent: list = field(default_factory=list)
    open: list = field(default_factory=list)
    ever: list = field(default_factory=list)
    waiting: list = field(default_factory=list)
    running: list = field(default_factory=list)
    begun: Asked | None = None
    late: Turn | None = None
    selected: list = field(default_factory=list)
    kept: deque = field(default_factory=deque)
    kept_lost: int = 0
    terminates: bool = False
    ends_turns: bool = False
    echoes: bool | None = None
    """Whether the RTU echoes slots; None: not seen yet."""
    events: Counter = field(default_factory=Counter)

    # Addresses

    def toward_rtu(self, seat, ca):
        """The RTU's common address for a master's; None: the group does not have it."""
        if self.policy.ca == "keep" or ca == ALL:
            return ca
        return RTU_NUMBER if ca == self.numbers[seat] else None

    def toward(self, seat, ca):
        if self.policy.ca == "keep" or ca in (ALL, FOREIGN):
            return ca
        return self.numbers[seat]

    # Masters come and go

    def start(self, seat):
        """Octets for the new one: M_EI and what was kept."""
        self.started.add(seat)
        number = self.numbers[seat]
        head = bytes([70, 1, 4, 0, number % 256, number // 256])
        events = [addressed(what, 0, self.toward(seat, what.ca)) for what in self.kept]
        self.kept.clear()
        self.kept_lost = 0
        return [head + bytes(4), *events]

    def end(self, seat, undelivered, *, lost):
        if seat in self.started:
            self.started.discard(seat)
            if not self.started:
                self.keep(*undelivered)
        for question in [q for q in self.unsent if q.askers]:
            question.leave(seat)
            if not question.askers:
                self.take_back(question)
        self.waiting = [q for q in self.waiting if q.seat != seat]
        if lost:
            for question in self.open:
                question.leave(seat)
        self.end_selections(seat)
        self.next_turns()

    def end_selections(self, seat):
        """Its master cannot any more."""
        for selected in [s for s in self.selected if s.seat == seat and s.end is None]:
            self.cancel(selected)

    def lose_rtu(self):
        for things in (self.unsent, self.open, self.waiting, self.running, self.selected):
            things.clear()
        self.begun = self.late = None
        self.terminates = self.ends_turns = False
        self.echoes = None

    def keep(self, *asdus):
        for what in filter(is_kept, asdus):
            self.kept.append(what)
            if len(self.kept) > self.buffer:
                self.kept.popleft()
                self.kept_lost += 1

    @property
    def owes(self):
        """The RTU must be given a deactivation before it may be stopped."""
        return any(s.end in self.unsent for s in self.selected) or any(
            not q.askers for q in self.unsent
        )

    # Control direction

    def asked(self, seat, what):
        """The octets he gets at once; None: he must be closed."""
        reply = self.refused(seat, what)
        if reply is not None:
            return [reply.octets]
        if what.cause == 6 and what.type_id == 49 and len(what.objects) < 6:
            return []  # cut short: never answered
        if self.n_unsent(seat) + self.n_waiting(seat) >= self.buffer:
            return None
        question = Asked(
            [(seat, what)],
            what,
            self.toward_rtu(seat, what.ca),
            {"index": seat, "zero": 0, "keep": what.oa}[self.policy.oa],
            self.now,
        )
        if not takes_turns(what):
            self.unsent.append(question)
            return []
        if what.cause == 8:
            return self.interrogation_deactivated(seat, question)
        self.interrogation_asked(seat, question)
        return []

    def n_unsent(self, seat):
        return sum(any(s == seat for s, _ in q.askers) for q in self.unsent)

    def n_waiting(self, seat):
        return sum(q.seat == seat for q in self.waiting)

    def refused(self, seat, what):
        if what.type_id == 81:
            return changed(what, 44, negative=True)
        if what.type_id == 49 and len(what.objects) < 6:
            return None
        ca = self.toward_rtu(seat, what.ca)
        if ca is None:
            return changed(what, 46, negative=True)
        if self.rights[seat] == "monitor" and not (takes_turns(what) or what.type_id == 102):
            return refusal(what)
        if self.clock[seat] == "refuse" and what.type_id == 103:
            return refusal(what)
        if what.type_id not in COMMANDS:
            return None
        if self.is_closed_to(seat, ca, what.ioa):
            self.events["a selection keeps another master out"] += 1
            return refusal(what)
        if what.cause == 6 and any(
            q.key == (what.type_id, ca, what.ioa) and q.seat != seat and self.is_under_way(q)
            for q in self.unsent + self.open
        ):
            self.events["the same command of another master is under way"] += 1
            return refusal(what)
        return None

    def is_under_way(self, question):
        if not question.is_command:
            return False
        if question.is_late:
            return question.phase == "silent" and self.now < question.silent_until
        if question.phase == "confirmed":
            return self.terminates and self.now < question.confirmed_at + UNDER_WAY
        return True

    def is_closed_to(self, seat, ca, ioa):
        return any(
            s.end is not None or s.seat != seat
            for s in self.selected
            if s.select.key[1:] == (ca, ioa)
        ) or any(
            is_select(q.asdu) and q.key[1:] == (ca, ioa) and q.seat != seat for q in self.unsent
        )

    def take_back(self, question):
        self.unsent.remove(question)
        if question is self.begun:
            self.begun = None

    def send(self, room):
        """The octets for the RTU."""
        going, self.unsent = self.unsent[:room], self.unsent[room:]
        for question in going:
            self.is_lawful(question)
            question.phase, question.deadline = "asked", self.now + COMMAND_TIMEOUT
            self.open.append(question)
            self.ever.append(question)
            if question.asdu.type_id in COMMANDS and question.askers:
                self.selected = [s for s in self.selected if s.select.key != question.key]
                if is_select(question.asdu):
                    until = self.now + self.policy.select_timeout
                    self.selected.append(Selected(question, question.seat, until))
                    self.events["a point is selected"] += 1
            if takes_turns(question.asdu) and question.asdu.cause == 6:
                self.turn_sent(question)
        return [addressed(q.asdu, q.slot, q.ca) for q in going]

    def is_lawful(self, question):
        """What must never be, said once more without the ways it is reached."""
        others = [q for q in self.open if q.key == question.key and q.seat != question.seat]
        if question.is_command:
            assert not any(q.is_command and q.phase == "asked" for q in others)
        if question.asdu.type_id in COMMANDS and question.askers:
            for selected in self.selected:
                if selected.select.key[1:] == question.key[1:]:
                    assert selected.seat == question.seat
                    if selected.end is not None:  # accepted before that, it goes out before that
                        assert selected.end.phase == "unsent"
                        assert selected.select.key != question.key
        if takes_turns(question.asdu) and question.asdu.cause == 6:
            assert self.policy.gi == "forward" or not self.running

    # Interrogations

    def interrogation_asked(self, seat, question):
        """All wait; a repeated one takes the place of the one that waits."""
        for n, other in enumerate(self.waiting):
            if (other.seat, other.what) == (seat, question.what):
                self.waiting[n] = question
                self.events["a waiting interrogation is replaced"] += 1
                break
        else:
            self.waiting.append(question)
        self.next_turns()

    def next_turns(self):
        """A turn is over with its question; then comes the next, with all who ask the same."""
        self.running = [t for t in self.running if t.question in self.open]
        if self.begun is not None and self.begun not in self.unsent:
            self.begun = None
        if self.late is not None and self.late.question not in self.open:
            self.late = None
        while self.waiting:
            if self.policy.gi == "forward":
                self.accept(self.waiting.pop(0))
                continue
            if self.running or self.begun is not None:
                self.events["an interrogation waits"] += 1
                return
            first = self.begun = self.waiting.pop(0)
            for other in self.waiting[:]:
                a, b = first.asdu.octets, other.asdu.octets
                if first.ca == other.ca and (a[:3], a[6:]) == (b[:3], b[6:]):
                    self.waiting.remove(other)
                    first.askers += other.askers
                    self.events["an interrogation is shared"] += 1
            self.accept(first)

    def accept(self, question):
        question.accepted_at = self.now
        self.unsent.append(question)

    def turn_sent(self, question):
        if question is self.begun:
            self.begun = None
        self.late = None
        turn = Turn((question.seat, question.what), question, self.now)
        for n, other in enumerate(self.running):  # only with gi=forward
            if other.whose == turn.whose:
                self.running[n] = turn
                return
        self.running.append(turn)

    @property
    def at_rtu(self):
        """Interrogations the RTU may be serving."""
        late = [self.late] if self.late is not None else []
        return [t.question for t in self.running + late]

    def interrogation_deactivated(self, seat, question):
        def is_his(other):
            return other.what == question.what and any(s == seat for s, _ in other.askers)

        waited = [q for q in self.waiting if is_his(q)]
        self.waiting = [q for q in self.waiting if not is_his(q)]
        confirmation = [changed(question.asdu, 9).octets]
        for own in filter(is_his, self.at_rtu):
            if len(own.askers) == 1:
                self.unsent.append(question)
                self.events["an interrogation is deactivated"] += 1
                return []
            own.leave(seat)
            self.events["one of several askers takes himself off"] += 1
            return confirmation
        if self.begun is not None and is_his(self.begun):
            self.begun.leave(seat)
            if not self.begun.askers:
                self.take_back(self.begun)
            self.next_turns()
            return confirmation
        if waited:
            self.next_turns()
            return confirmation
        is_anothers = any(t.question.what == question.what for t in self.running)
        if self.policy.gi == "forward" and not is_anothers:
            self.unsent.append(question)
            return []
        return [refusal(question.asdu).octets]

    # Selections

    def cancel(self, selected):
        """The gateway's own deactivation; the point is closed to all until it is confirmed."""
        select = selected.select
        what = changed(select.asdu, 8)
        selected.end = Asked([], what, select.ca, select.slot, self.now)
        selected.until = self.now + self.policy.select_timeout
        self.unsent.append(selected.end)
        self.events["the gateway ends a selection"] += 1

    # Monitor direction

    def heard(self, what, truly=None):
        """Who gets an ASDU from the RTU; the questions move on."""
        if what.type_id == 70 or what.type_id == 9:  # the latter are malformed, all of them
            return []
        if what.cause in ANSWERS:
            return self.answered(what, truly)
        if what.ca == FOREIGN and self.policy.ca == "map":
            return []
        if what.cause == 5:
            readers = list(filter(None, map(self.reader_of(what), range(what.count))))
            for question in readers:
                self.open.remove(question)
            if readers:
                return self.home(what, [asker for q in readers for asker in q.askers])
        if 20 <= what.cause <= 41:
            return self.interrogated(what)
        if not self.started:
            self.keep(what)
        return self.everyone(what)

    def answered(self, what, truly):
        if what.cause == 10:
            self.terminates = True
            if what.type_id in (100, 101):
                self.ends_turns = True
        is_unproven = what.oa == 1 and self.echoes is None
        question = self.asker_of(what)
        if truly is not None and truly in self.open and not is_unproven:
            assert question is truly
        if question is None:
            return self.everyone(what) if self.policy.orphans == "all" else []
        askers = question.askers[:]
        self.move_on(question, what)
        if question.asdu.type_id in COMMANDS:
            negative = what.is_negative or what.cause in (9, 44, 45, 46, 47)
            self.selected = [
                s
                for s in self.selected
                if s.end is not question and not (s.select is question and negative)
            ]
        elif question.asdu.type_id in (100, 101):
            if question.asdu.cause == 8 and what.cause < 44 and not what.is_negative:
                for other in self.at_rtu:
                    if other.what == question.what and other in self.open:
                        whose = [s for s, _ in other.askers]
                        if whose == [s for s, _ in question.askers]:
                            self.open.remove(other)
            for turn in self.running:
                if turn.question is question:
                    turn.progress_at = self.now
            self.next_turns()
        return self.home(what, askers)

    def everyone(self, what):
        return [
            (seat, addressed(what, 0, self.toward(seat, what.ca))) for seat in sorted(self.started)
        ]

    def home(self, what, askers):
        found = {}
        for seat, own in askers:
            if seat in self.started:
                found.setdefault(seat, addressed(what, own.oa, self.toward(seat, what.ca)))
        return list(found.items())

    def asker_of(self, what):
        """The design's order: echo, identical octets, waiting, not expired, oldest."""

        def fits(question, type_id):
            return (question.asdu.type_id, question.asdu.ioa, qualifier_of(question.asdu)) == (
                type_id,
                what.ioa,
                qualifier_of(what),
            ) and question.ca in (what.ca, ALL)

        found = [q for q in self.open if fits(q, what.type_id)]
        if not found and what.type_id == 49:
            found = [q for q in self.open if fits(q, 62)]
        if len(found) > 1:
            self.events["several questions fit"] += 1
        best = self.best_of(found, what)
        if best is not None and what.oa and not self.echoes:
            n_waiting = sum(q.waits_for(what.cause) for q in found)
            if best.slot == what.oa:
                self.echoes = True if what.oa != 1 else self.echoes  # with 1 some answer everybody
            elif n_waiting == 1:
                self.echoes = False
        return best

    def best_of(self, found, what):
        def order(q):
            return (
                not self.is_echo(q, what),
                q.asdu.objects != what.objects,
                not q.waits_for(what.cause),
                q.is_late,
                self.open.index(q),  # in the order they were sent
            )

        if what.oa == 1 and self.echoes is None:  # unproven, it does not outweigh who waits
            echoed = [q for q in found if self.is_echo(q, what)]
            waiting = [q for q in found if q.waits_for(what.cause)]
            fresh = [q for q in waiting if not q.is_late]
            same = [q for q in found if q.asdu.objects == what.objects]
            choices = [
                [q for q in echoed if q in same and q in waiting],
                [q for q in fresh if q in same],
                [q for q in echoed if q in same],
                [q for q in echoed if q in waiting],
                fresh,
            ]
            found = next((choice for choice in choices if choice), found)
        return min(found, key=order, default=None)

    def is_echo(self, question, what):
        if what.oa == 1 and self.echoes is False:
            return False
        return what.oa != 0 and question.slot == what.oa

    def reader_of(self, what):
        def reader(n):
            ioa = what.ioa + n
            found = [q for q in self.open if q.is_read and q.asdu.ioa == ioa and q.ca == what.ca]
            found.sort(key=lambda q: (not self.is_echo(q, what), q.is_late))
            return found[0] if found else None

        return reader

    def move_on(self, question, what):
        if what.cause == 7 and not what.is_negative:
            if question.is_read:
                return
            if question.goes_on_to_termination:
                if question.phase == "asked":
                    question.phase, question.deadline = "confirmed", self.now + TERM_TIMEOUT
                    question.confirmed_at = self.now
                return
        self.open.remove(question)

    def interrogated(self, what):
        for turn in self.running:
            turn.progress_at = self.now
            question = turn.question
            if question.phase != "confirmed" or question.deadline < self.now + TERM_TIMEOUT - 1.0:
                question.phase, question.deadline = "confirmed", self.now + TERM_TIMEOUT
        if self.policy.gi_data == "all":
            return self.everyone(what)
        found = self.running or ([self.late] if self.late is not None else [])
        found = [t.question for t in found if t.question.ca in (what.ca, ALL)]
        type_id = 100 if what.cause < 37 else 101
        qualifier = {37: 5}.get(what.cause, what.cause if what.cause < 37 else what.cause - 37)
        same_type = [q for q in found if q.asdu.type_id == type_id]
        exactly = [q for q in same_type if qualifier_of(q.asdu) == qualifier]
        askers = [asker for q in exactly or same_type or found for asker in q.askers]
        if self.policy.gi_data == "requester":
            if found:
                self.events["data for its requester"] += 1
                return self.home(what, askers)
            return self.everyone(what) if self.policy.orphans == "all" else []
        other = changed(what, 3 if what.type_id in (15, 16, 37) else 2)
        seats = {seat for seat, _ in askers}
        rest = [(seat, octets) for seat, octets in self.everyone(other) if seat not in seats]
        return [*self.home(what, askers), *rest]

    # Time

    @property
    def limit(self):
        return self.policy.interrogation_timeout if self.ends_turns else QUICK_TURN

    @property
    def due(self):
        deadlines = [q.deadline for q in self.open]
        deadlines += [q.accepted_at + COMMAND_TIMEOUT for q in self.unsent]
        deadlines += [s.until for s in self.selected]
        deadlines += [t.progress_at + self.limit for t in self.running]
        return min(deadlines, default=float("inf"))

    def give_up(self, question):
        """It is remembered, so that a late answer reaches its asker or nobody."""
        if not question.is_late:
            question.phase = "silent" if question.phase == "asked" else "expired"
            question.silent_until = self.now + COMMAND_TIMEOUT
            question.deadline = self.now + 5 * COMMAND_TIMEOUT

    def look_at_the_clock(self):
        """Refusals; who is told about a silent RTU, and who about turns that came to nothing."""
        refusals = []
        silent, stuck = Counter(), Counter()
        for question in [q for q in self.unsent if self.now >= q.accepted_at + COMMAND_TIMEOUT]:
            self.take_back(question)
            refusals += [
                (s, refusal(own).octets) for s, own in question.askers if s in self.started
            ]
        for question in [q for q in self.open if self.now >= q.deadline]:
            if question.is_late:
                self.open.remove(question)
                continue
            if question.phase == "asked":
                silent.update([seat for seat, _ in question.askers] or [RTU])
            self.give_up(question)
        for selected in sorted(self.selected, key=lambda s: s.until):
            if self.now < selected.until:
                continue
            if selected.end is not None:
                self.selected.remove(selected)
            elif any(q.askers and q.key == selected.select.key for q in self.unsent):
                selected.until = self.now + self.policy.select_timeout
                self.events["a selection is prolonged"] += 1
            else:
                self.cancel(selected)
        for turn in self.running[:]:
            if turn.question not in self.open:
                self.running.remove(turn)
            elif self.now >= turn.progress_at + self.limit:
                self.running.remove(turn)
                stuck.update(seat for seat, _ in turn.question.askers)
                self.late = turn
                self.give_up(turn.question)
                self.events["a turn comes to nothing"] += 1
        self.next_turns()
        return refusals, silent, stuck
