"""A replay sends what it is about, once and in order, wherever it is killed, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.replay import each_named
from router.errors import UsageError
from router.events.records import Record
from router.events.topics import Topics
from router.replay.redrive import BATCH_EVENTS, Pace
from router.replay.replay import READ_BETWEEN, Replay, Replayed, ReplayOutput
from router.replay.replay_log import ReplayLog, number_of
from router.replay.replay_source import Candidate, share
from router.replay.replay_state import ReplayRequest, ReplaySelection, ReplayState

TOPICS = Topics("shop", prefix="acme.")
NAMES = ("Order Completed", "Product Viewed", "Cart Viewed")


class Killed(Exception):
    pass


class Broker:
    """A writer and a log as Kafka's transactions make them: a batch and its state stand together, or neither does.

    `kills`: before or after which writes, counted from 0, the process dies; each once.
    """

    def __init__(self, kills: set[tuple[int, str]] | None = None) -> None:
        self.kills = kills or set()
        self.writes = 0
        self.batches: list[list[Record]] = []
        self.state: bytes = b""

    def write(self, events: Sequence[Record], log: Sequence[Record]) -> None:
        number, self.writes = self.writes, self.writes + 1
        if (number, "before") in self.kills:
            raise Killed
        self.batches.append(list(events))
        self.state = log[-1][1]
        if (number, "after") in self.kills:
            raise Killed

    def wait(self) -> bool:
        return True

    def close(self) -> None: ...

    @property
    def events(self) -> list[Record]:
        return [event for batch in self.batches for event in batch]


class Both:
    """Rules of two destinations: ads does not take page views."""

    def rule(self, one: Candidate) -> list[Replayed]:
        refused = "event" if one.event == "Cart Viewed" else ""
        refusals = {"crm": "", "ads": refused}
        return [Replayed(name, why, one.value, one.key, one.headers) for name, why in refusals.items()]


def candidate(number: int, **fields: Any) -> Candidate:
    """Message `number` of partition `number % 3`, a second after the one before."""
    name = fields.get("event", NAMES[number % 3])
    body = {"type": "track", "event": name, "messageId": f"m{number}", "userId": f"u{number % 5}"} | fields
    headers = [("source", b"web"), ("type", b"track"), ("event", name.encode()), ("traceparent", b"00")]
    return Candidate(
        orjson.dumps(body), b"p", headers, 1000 * number, fields.get("source", "web"), str(body["type"]),
        name if body["type"] == "track" else "", (str(number % 3), number + 1),
    )  # fmt: skip


def request(**fields: Any) -> ReplayRequest:
    return ReplayRequest.model_validate(
        {"to": ["crm", "ads"], "from": "events.resolved", "since": 0, "until": 10**9} | fields
    )


def state_of(**fields: Any) -> ReplayState:
    extent = {str(part): [0, 10_000] for part in range(3)}
    return ReplayState(id="r1", request=request(**fields), started=0, updated=0, extent=extent)


def replay(broker: Broker | None, state: ReplayState, *, rate: int | None = None, stop_after: int = 1 << 30) -> Replay:
    asked = iter(range(stop_after))
    output = None
    if broker is not None:
        output = ReplayOutput(broker, ReplayLog(cast("Any", None), "acme.shop.replays"), broker)
    return Replay(
        TOPICS, state, ReplaySelection(state.request), Both(), Pace(rate, lambda: 0.0, lambda seconds: None), output,
        lambda: next(asked, None) is None,
    )  # fmt: skip


def left(candidates: Sequence[Candidate], state: ReplayState) -> list[Candidate]:
    """What a source gives that goes on from a state's position."""
    return [one for one in candidates if one.mark[1] > state.position.get(one.mark[0], 0)]


def sent(broker: Broker, destination: str) -> list[str]:
    topic = TOPICS.destination(destination)
    return [orjson.loads(value)["messageId"] for name, value, _, _ in broker.events if name == topic]


def test_an_event_keeps_all_it_had_and_says_which_replay_it_is_of() -> None:
    broker = Broker()
    replay(broker, state_of()).run([candidate(0)])

    topic, value, key, headers = broker.events[0]
    assert (topic, value, key) == ("acme.dest.crm", candidate(0).value, b"p")
    assert headers == [*candidate(0).headers, ("replay", b"r1")]


@given(
    count=st.integers(0, 60),
    rate=st.integers(1, 20),
    kills=st.sets(st.tuples(st.integers(0, 12), st.sampled_from(["before", "after"])), max_size=6),
    event=st.sampled_from([(), ("Order Completed",), ("Cart Viewed", "Product Viewed")]),
)
def test_killed_at_any_write_and_resumed_it_sends_each_event_once_and_in_order(
    count: int, rate: int, kills: set[tuple[int, str]], event: tuple[str, ...]
) -> None:
    """The writes of all lives are counted through; each life goes on with the state that the last one left."""
    candidates = [candidate(number) for number in range(count)]
    broker = Broker(kills)
    state = state_of(events=event)
    while True:
        try:
            ended = replay(broker, state, rate=rate).run(left(candidates, state))
            break
        except Killed:
            state = ReplayState.model_validate_json(broker.state) if broker.state else state_of(events=event)

    wanted = [one for one in candidates if not event or one.event in event]
    for_ads = [one for one in wanted if one.event != "Cart Viewed"]
    names = [f"m{one.mark[1] - 1}" for one in wanted]
    assert sent(broker, "crm") == names
    assert sent(broker, "ads") == [f"m{one.mark[1] - 1}" for one in for_ads]
    assert (ended.status, ended.read, ended.selected) == ("done", count, len(wanted))
    assert ended.replayed.get("ads", 0) + ended.skipped.get("ads", {}).get("event", 0) == len(wanted)
    assert ReplayState.model_validate_json(broker.state) == ended


@given(st.integers(0, 40), st.integers(0, 50))
def test_a_dry_run_counts_what_a_replay_then_does(count: int, since: int) -> None:
    candidates = [candidate(number) for number in range(count)]
    dry, broker = replay(None, state_of(since=1000 * since)), Broker()
    counted = dry.run(candidates)
    done = replay(broker, state_of(since=1000 * since)).run(candidates)

    assert (counted.replayed, counted.skipped, counted.selected) == (done.replayed, done.skipped, done.selected)
    assert sum(dry.events.values()) == counted.selected
    assert counted.replayed.get("crm", 0) == len(sent(broker, "crm"))


def test_a_stop_writes_what_was_taken_and_where_to_go_on() -> None:
    broker, candidates = Broker(), [candidate(number) for number in range(20)]
    state = replay(broker, state_of(), stop_after=7).run(candidates)

    assert (state.status, len(sent(broker, "crm"))) == ("stopped", 7)
    state.status = "running"
    replay(broker, state).run(left(candidates, state))
    assert sent(broker, "crm") == [f"m{number}" for number in range(20)]


def test_batches_are_of_a_size_that_a_transaction_takes() -> None:
    broker = Broker()
    replay(broker, state_of(to=["crm"])).run(candidate(number) for number in range(2 * BATCH_EVENTS))
    assert max(map(len, broker.batches)) <= BATCH_EVENTS + 1
    broker = Broker()
    replay(broker, state_of()).run(candidate(number, text="x" * 900_000) for number in range(12))
    assert len(broker.batches) > 2


def test_a_position_is_written_though_nothing_is_to_be_sent() -> None:
    """So that a replay of few events among many does not begin again."""
    broker = Broker()
    one = candidate(1)
    replay(broker, state_of(events=["None"])).run(one for _ in range(READ_BETWEEN + 1))
    assert broker.batches == [[], []]


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({}, range(10)),
        ({"since": 4000, "until": 6000}, [4, 5]),
        ({"events": ["Order Completed"]}, [0, 3, 6, 9]),
        ({"except": ["Order Completed"]}, [1, 2, 4, 5, 7, 8]),
        ({"users": ["u1", "u2"]}, [1, 2, 6, 7]),
        ({"sources": ["app"]}, []),
        ({"where": 'userId = "u3" and event = "Order Completed"'}, [3]),
    ],
)
def test_what_is_chosen(fields: dict[str, Any], numbers: Sequence[int]) -> None:
    selection = ReplaySelection(request(**fields))
    assert [n for n in range(10) if selection.matches(candidate(n))] == list(numbers)


def test_a_page_is_chosen_by_its_name() -> None:
    page = candidate(1, type="page", name="Home", event="")
    assert ReplaySelection(request(events=["Home"])).matches(page)
    assert not ReplaySelection(request(**{"except": ["Home"]})).matches(page)


def test_what_is_no_event_is_chosen_by_time_and_source_alone() -> None:
    broken = Candidate(b"\xff", None, [], 5, "web", "", "", ("0", 1))
    assert ReplaySelection(request(sources=["web"])).matches(broken)
    assert not ReplaySelection(request(events=["Home"])).matches(broken)
    assert not ReplaySelection(request(where="userId = null")).matches(broken)


def test_only_what_failed_there_is_sent_where_that_is_asked_for() -> None:
    selection = ReplaySelection(request(), {"crm": {("web", "m1")}, "ads": set()})
    assert [selection.failed_at("crm", candidate(number)) for number in range(3)] == [False, True, False]
    assert not selection.failed_at("ads", candidate(1))


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        ({}, True),
        ({"to": ["lake"]}, False),
        ({"from": "events.blocked"}, False),
        ({"since": 10**9}, False),
        ({"until": 5, "since": 1}, True),
        ({"events": ["A", "B"]}, True),
        ({"events": ["B"]}, False),
        ({"sources": ["app"]}, True),
    ],
)
def test_two_replays_overlap_when_an_event_may_be_in_both(other: dict[str, Any], overlap: bool) -> None:
    one, two = request(events=["A"], users=["u1"]), request(**other)
    assert one.overlaps(two) == two.overlaps(one) == overlap


def test_a_wrong_condition_is_named() -> None:
    with pytest.raises(UsageError, match="--where: "):
        request(where="total >").query()


def test_names_after_to_are_all_destinations() -> None:
    assert each_named(["--to", "crm", "ads", "--since", "1h"]) == ["--to", "crm", "--to", "ads", "--since", "1h"]
    assert each_named(["--since", "1h", "--to", "crm"]) == ["--since", "1h", "--to", "crm"]
    assert each_named(["stop", "r1"]) == ["stop", "r1"]
    assert each_named(["--to"]) == ["--to"]


def test_ids_count_up_and_say_how_far_a_replay_is() -> None:
    assert [number_of(name) for name in ("r1", "r12", "", "x", "rx")] == [1, 12, 0, 0, 0]
    assert share({"0": [10, 20], "1": [0, 30]}, {"0": 20}) == 0.25
    assert share({"0": [7, 7]}, {}) == 1.0
