"""Nobody is sent more than a destination's cap allows, whatever is sent again, and whenever a process dies."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.config.delivery import CapConfig
from router.config.models import Topology
from router.config.topics import owned_topics, wanted_topics
from router.delivery.item import Partition, QueuedEvent
from router.delivery.profile_cap import ProfileCap
from router.delivery.read import read_item
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import eventually

HOUR = 3_600_000


def event(number: int, person: bytes | None = b"p1", name: str = "Offer") -> QueuedEvent:
    body = orjson.dumps({"messageId": f"m{number}", "event": name, "type": "track"})
    return read_item("crm", Partition("dest.crm", 2), number, body, person, [("source", b"web")], 0.0)


def cap(count: int = 2, **more: object) -> ProfileCap:
    return ProfileCap(CapConfig.model_validate({"count": count, "within": "1h", **more}), "dest.crm.caps")


def sent(one: ProfileCap, item: QueuedEvent, now: int) -> bool:
    """Whether it may be sent; the partner takes it at once."""
    if not one.admits(item, now):
        return False
    one.accepted(item, now)
    return True


def reborn(one: ProfileCap, now: int, count: int = 2) -> ProfileCap:
    """Another process, from what the first has written."""
    again = cap(count)
    again.restore([(key, value) for _, _, value, key, _ in one.records(now)], now)
    return again


def test_what_is_above_is_held_back_until_the_first_is_old_enough() -> None:
    one = cap()

    assert [sent(one, event(number), number) for number in range(3)] == [True, True, False]
    assert sent(one, event(9, b"p2"), 3)
    assert not sent(one, event(3), HOUR - 1)
    assert sent(one, event(4), HOUR)
    assert not sent(one, event(5), HOUR)


def test_an_event_under_way_has_its_place_and_gives_it_back_when_it_is_not_delivered() -> None:
    one = cap(1)
    first = event(1)

    assert one.admits(first, 0)
    assert not one.admits(event(2), 0)
    assert one.released(first)
    assert sent(one, event(3), 0)
    assert not one.released(first), "once"


def test_an_event_that_is_sent_again_counts_once() -> None:
    """After kill -9, as a dead letter that was delivered after all, or by a replay."""
    one = cap()
    assert sent(one, event(1), 0)
    assert [sent(one, event(1), 5) for _ in range(3)] == [True] * 3
    assert sent(one, event(2), 6)
    assert not sent(one, event(3), 7)


def test_only_named_events_count_and_are_held_back() -> None:
    """And only people that are known."""
    one = cap(1, events=["Offer"])
    assert sent(one, event(1), 0)

    assert not one.admits(event(2), 0)
    assert [sent(one, event(number, name="Order Completed"), 0) for number in (3, 4)] == [True, True]
    assert [sent(one, event(number, None), 0) for number in (5, 6)] == [True, True]
    assert not one.admits(event(7), 0)


def test_another_process_knows_what_was_written_and_no_more() -> None:
    one = cap()
    assert sent(one, event(1), 0)
    assert one.admits(event(2), 0)  # under way: nothing of it is written
    after = reborn(one, 1)

    assert (one.records(1), len(after)) == ([], 1)
    assert [sent(after, event(number), 2) for number in (2, 3)] == [True, False]
    assert len(reborn(after, HOUR + 2)) == 0, "whose time is over is forgotten"


def test_a_record_is_of_the_persons_partition_and_can_be_read_by_people() -> None:
    one = cap()
    assert sent(one, event(1), 7)
    ((topic, partition, value, key, _),) = one.records(8)

    assert (topic, partition, key) == ("dest.crm.caps", 2, b"p1")
    state = orjson.loads(value or b"")
    assert (state["at"], [len(one) for one in state["ids"]]) == ([7], [16])


@pytest.mark.parametrize(
    "value", [b"", None, b"[]", b"{}", b'{"at":[1],"ids":[]}', b'{"at":["x"],"ids":["00"]}', b"\xff"]
)
def test_what_no_router_wrote_is_no_state(value: bytes | None) -> None:
    one = cap()
    one.restore([(b"p1", value), (None, b'{"at":[1],"ids":["00"]}')], 0)

    assert len(one) == 0


STEPS = st.lists(
    st.tuples(st.sampled_from(["send", "fail", "kill"]), st.integers(0, 9), st.integers(0, HOUR)), max_size=40
)


@given(STEPS)
def test_no_person_is_ever_sent_more_than_the_cap_within_its_time(steps: list[tuple[str, int, int]]) -> None:
    """Events of two people, some more than once, with processes dying in between; repeats are not counted."""
    one, now = cap(2), 0
    first: dict[int, int] = {}
    for what, number, pause in steps:
        now += pause
        item = event(number, b"p%d" % (number % 2))
        if what == "kill":
            one = reborn_all(one, now)
        elif one.admits(item, now):
            if what == "fail":
                one.released(item)
                continue
            one.accepted(item, now)
            if number not in first or now - first[number] >= HOUR:
                first[number] = now
                times = [at for other, at in first.items() if other % 2 == number % 2 and at > now - HOUR]
                assert len(times) <= 2


def reborn_all(one: ProfileCap, now: int) -> ProfileCap:
    """As a compacted topic gives it back."""
    one._changed = dict.fromkeys(one._taken, 0)
    return reborn(one, now)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"count": 3},
        {"count": 0, "within": "1h"},
        {"count": 3, "within": "soon"},
        {"count": 3, "within": "1h", "per": "user"},
        {"count": 3, "within": "1h", "window": 1},
    ],
)
def test_a_cap_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CapConfig.model_validate(wrong)


def test_a_destination_with_a_cap_has_one_topic_more() -> None:
    """Compacted, and kept for a day beyond the time."""
    plain = {"type": "webhook", "settings": {"url": "https://example.com"}}
    capped = plain | {"delivery": {"cap": {"count": 3, "within": "24h"}}}
    topology = Topology.model_validate(
        {"name": "shop", "sources": {"web": {}}, "destinations": {"crm": capped, "ads": plain}}
    )
    found = {spec.name: spec for spec in wanted_topics(topology) if spec.name.endswith(".caps")}

    assert list(found) == ["dest.crm.caps"]
    assert found["dest.crm.caps"].config == {"cleanup.policy": "compact,delete", "retention.ms": str(48 * HOUR)}
    assert "dest.crm.caps" in owned_topics(topology)


def test_a_person_gets_no_more_than_the_cap_across_kill_minus_nine(embedded_stage: Staging, partner: Partner) -> None:
    """What is above is filtered: in the committed counts, in the metrics and in delivery.log."""
    one = embedded_stage({"crm": partner.webhook("/crm", delivery={"cap": {"count": 3, "within": "24h"}})})
    one.send("crm", 4)  # of seven people
    with one.process() as process:
        eventually(lambda: one.totals("crm") == (4, 0), "the first")
        process.kill()
    one.send("crm", 66)
    with one.process() as process:
        eventually(lambda: one.totals("crm") == (21, 0), "three of each")
        page = partial(lambda name: process.metrics().get((name, "crm"), 0.0))
        eventually(lambda: page("router_delivery_filtered_total") == 49, "the others filtered")
        assert page("router_delivery_skipped_total") == 49
        assert page("router_delivery_pending") == 0
        assert process.stop() == 0

    people: dict[int, list[str]] = defaultdict(list)
    for name in partner.names("/crm"):
        people[int(name[4:]) % 7].append(name)
    assert {len(set(names)) for names in people.values()} == {3}
    log = [entry for entry in one.log() if entry["outcome"] == "filtered"]
    assert {entry["code"] for entry in log} == {"cap"}
    assert sum(entry["count"] for entry in log) == 49
