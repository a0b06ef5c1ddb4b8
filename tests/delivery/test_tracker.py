"""What may be committed never passes an unfinished event, and a restart sends again only what was unfinished."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.delivery.tracker import SPAN, Counts, Tracker, decode
from router.kafka.offset_metadata import LIMIT

OFFSETS = st.lists(st.integers(1, 4), min_size=1, max_size=60).map(lambda steps: list(accumulate(steps)))
FOREIGN = ["{}", '{"n": 1}', '{"n": ["x", 1]}', '{"n": [1, 2], "done": "§"}', "[]"]


def test_offsets_with_gaps_are_contiguous_in_the_order_consumed() -> None:
    """Markers and aborted records leave gaps; nothing waits for them."""
    tracker = Tracker(10)
    for offset in (10, 13, 17):
        tracker.take(offset)

    tracker.finish(13)
    assert (tracker.low, tracker.finished()) == (10, [13])
    tracker.finish(10)
    assert (tracker.low, tracker.finished()) == (17, [])
    tracker.finish(17)
    assert (tracker.low, tracker.span) == (18, 0)


def test_the_end_of_the_partition_moves_the_commit_past_markers() -> None:
    """But never past an unfinished event."""
    tracker = Tracker(0)
    tracker.take(0)

    assert not tracker.reach(2)
    tracker.finish(0)
    assert tracker.low == 2
    assert tracker.reach(5)
    assert tracker.low == 5
    assert not tracker.reach(5)


def test_without_a_commit_the_first_event_says_where_the_partition_begins() -> None:
    """Retention may have moved the beginning."""
    tracker = Tracker(None)
    assert (tracker.low, tracker.span) == (None, 0)

    tracker.take(4711)

    assert tracker.low == 4711


@given(OFFSETS, st.data())
def test_committed_never_passes_an_unfinished_event(offsets: list[int], data: Any) -> None:
    """Whatever the order of completion."""
    tracker = Tracker(offsets[0])
    open_: set[int] = set()
    todo = list(offsets)
    while todo or open_:
        if todo and (not open_ or data.draw(st.booleans())):
            open_.add(todo[0])
            tracker.take(todo.pop(0))
        else:
            done = data.draw(st.sampled_from(sorted(open_)))
            open_.discard(done)
            tracker.finish(done)
        assert tracker.low == min(open_, default=tracker.next)
        assert all(offset > (tracker.low or 0) and offset not in open_ for offset in tracker.finished())
    assert tracker.low == offsets[-1] + 1


class Lives(RuleBasedStateMachine):
    """A partition over many lives of its consumer: take, finish, commit, crash, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.log = [3, 4, 5, 9, 10, 11, 12, 15, *range(18, 60, 3), *range(60, 90)]
        self.committed: tuple[int, str] = (3, "")
        self.final_at_commit: set[int] = set()
        self.sent: dict[int, int] = dict.fromkeys(self.log, 0)
        self.final: set[int] = set()
        self.begin()

    def begin(self) -> None:
        low, metadata = self.committed
        self.counts, done = decode(metadata, low)
        self.tracker = Tracker(low, done)
        self.ahead = [offset for offset in self.log if offset >= low]
        self.open: list[int] = []

    @precondition(lambda self: self.ahead)
    @rule()
    def take(self) -> None:
        offset = self.ahead.pop(0)
        again = self.tracker.take(offset)
        assert again == (offset not in self.final_at_commit), "sent again exactly when no commit knows it as final"
        if again:
            self.open.append(offset)
            self.sent[offset] += 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        offset = data.draw(st.sampled_from(self.open))
        self.open.remove(offset)
        self.tracker.finish(offset)
        self.counts.delivered += 1
        self.final.add(offset)

    @rule()
    def commit(self) -> None:
        low = self.tracker.low
        assert low is not None
        self.committed = (low, self.counts.encode(low, self.tracker.finished()))
        self.final_at_commit = set(self.final)

    @rule()
    def crash(self) -> None:
        self.final = set(self.final_at_commit)
        self.begin()

    @invariant()
    def counts_are_exact(self) -> None:
        counts, _ = decode(self.committed[1], self.committed[0])
        assert counts.delivered == len(self.final_at_commit)

    def teardown(self) -> None:
        """However it went, the rest can be finished: nothing is lost."""
        self.crash()
        while self.ahead:
            self.take()
        for offset in list(self.open):
            self.tracker.finish(offset)
            self.final.add(offset)
        assert self.final == set(self.log)
        assert self.tracker.low == self.log[-1] + 1


TestLives = Lives.TestCase


COUNTS = st.builds(Counts, *[st.integers(0, 2**60)] * 4)


@given(st.integers(0, 2**60), st.sets(st.integers(0, SPAN + 200)), COUNTS)
def test_metadata_comes_back_as_it_was_and_fits(low: int, beyond: set[int], given: Counts) -> None:
    """Any set of finished offsets within the span."""
    text = given.encode(low, [low + offset for offset in beyond])

    counts, done = decode(text, low)

    assert (counts, sorted(done)) == (given, sorted(low + offset for offset in beyond))
    assert len(text) <= LIMIT


@given(st.sets(st.integers(0, 10 * SPAN), max_size=50))
def test_metadata_always_fits(beyond: set[int]) -> None:
    """What does not is left out: it would be sent again, never skipped."""
    text = Counts(2**60, 2**60, 2**60, 2**60).encode(5, [5 + offset for offset in beyond])

    assert len(text) <= LIMIT
    assert set(decode(text, 5)[1]) <= {5 + offset for offset in beyond}


@given(st.text() | st.sampled_from(FOREIGN))
def test_foreign_metadata_skips_nothing(text: str) -> None:
    """An operator may have moved the group: counts begin again, every event is sent."""
    counts, done = decode(text, 0)

    assert (counts, done) == (Counts(0, 0), [])
