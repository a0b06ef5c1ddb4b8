"""Every event gets its profile; links and aliases reach the log before the events that brought them are resolved."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.agents.batch import Batch
from router.agents.events import Events
from router.agents.identify import Identify
from router.config.models import BlockedConfig, IdentityConfig
from router.identity import IdentityRules, profile_id, unpack_facts
from tests.agents.messages import event
from tests.identity.replicas import memory, memory_replica


class Worker:
    """One worker's agent over its replica of a log that others write to as well."""

    def __init__(self, log: list[bytes], rules: IdentityRules | None = None) -> None:
        self.log = log
        self.replica = memory_replica()
        self.agent = Identify(self.replica, self.append, rules or IdentityRules())

    def append(self, record: bytes) -> None:
        """As the log does it: what others appended before comes first."""
        self.log.append(record)
        self.catch_up()

    def catch_up(self) -> None:
        for offset in range(self.replica.position(), len(self.log)):
            self.replica.apply_record(offset, 1000, self.log[offset])

    def __call__(self, *bodies: dict[str, Any]) -> list[str]:
        """The profiles of one batch."""
        events = [event({"messageId": f"m{number}", **body}) for number, body in enumerate(bodies)]
        for one in events:
            self.agent.prepare(one)
        return self.agent.process(Events.of(events), Batch()).profiles


@pytest.fixture
def worker() -> Worker:
    return Worker([])


def page(**ids: Any) -> dict[str, Any]:
    return {"type": "page", **ids}


def alias(previous: str, user: str) -> dict[str, Any]:
    return {"type": "alias", "previousId": previous, "userId": user}


USER = profile_id(("user_id", "u"))


def test_a_visitor_who_logs_in_is_one_profile_from_then_on(worker: Worker) -> None:
    assert worker(page(anonymousId="a")) == [profile_id(("anonymous_id", "a"))]
    assert worker(page(anonymousId="a", userId="u"), page(anonymousId="a")) == [USER, USER]


def test_a_link_of_one_event_counts_for_the_whole_batch(worker: Worker) -> None:
    """All events of a batch are resolved after its facts: the batch is at one position of the log."""
    assert worker(page(anonymousId="a"), page(userId="u"), page(anonymousId="a", userId="u")) == [USER] * 3


def test_a_batch_appends_its_facts_once_in_one_record(worker: Worker) -> None:
    both = page(anonymousId="a", userId="u")
    worker(both, both, page(anonymousId="b", userId="u"))
    (record,) = worker.log
    assert len(unpack_facts(record, IdentityRules()).facts) == 2


def test_what_the_replica_knows_is_not_appended_again(worker: Worker) -> None:
    worker(page(anonymousId="a", userId="u"))
    worker(page(anonymousId="a", userId="u"), page(userId="u"), page(anonymousId="a"))
    assert len(worker.log) == 1


def test_what_the_rules_would_refuse_is_not_appended(worker: Worker) -> None:
    """A shared device would otherwise fill the log with the same refusal."""
    worker(page(anonymousId="tablet", userId="first"))
    for _ in range(3):
        assert worker(page(anonymousId="tablet", userId="u")) == [USER]
    assert len(worker.log) == 1


def test_an_alias_joins_and_its_own_event_belongs_to_the_joined_profile(worker: Worker) -> None:
    worker(page(anonymousId="a", userId="old"))
    old = profile_id(("user_id", "old"))
    assert worker(alias("old", "new"), page(userId="new"), page(anonymousId="a")) == [old, old, old]
    worker(alias("old", "new"))
    assert len(worker.log) == 2


@pytest.mark.parametrize(("previous", "user"), [("anonymous", "u"), ("u", "null"), ("0", "u"), ("x" * 600, "u")])
def test_an_alias_of_nobody_joins_nobody(worker: Worker, previous: str, user: str) -> None:
    worker(alias(previous, user))
    assert worker.log == []


def test_events_whose_ids_stand_for_nobody_are_profiles_of_their_own(worker: Worker) -> None:
    """Not one profile of all the nobodies."""
    first, second = worker(page(userId="null"), page(anonymousId="0000"))
    assert first != second
    assert worker.log == []


def test_a_placeholder_in_place_of_an_id_joins_no_devices(worker: Worker) -> None:
    first, second = worker(page(userId="(null)", anonymousId="a"), page(userId="(null)", anonymousId="b"))
    assert (first, second) == (profile_id(("anonymous_id", "a")), profile_id(("anonymous_id", "b")))
    assert worker.log == []


def test_a_topology_adds_placeholders_and_takes_some_back() -> None:
    blocked = BlockedConfig(add=("guest-*",), remove=("unknown",))
    worker = Worker([], IdentityRules.of(IdentityConfig(blocked=blocked)))
    bodies = [page(userId=user, anonymousId="a") for user in ("Guest-7", "unknown")]
    assert worker(bodies[0]) == [profile_id(("anonymous_id", "a"))]
    assert worker(bodies[1]) == [profile_id(("user_id", "unknown"))]
    worker(alias("guest-8", "unknown"))
    assert len(worker.log) == 1


def test_many_long_links_take_several_records_and_all_are_resolved(worker: Worker) -> None:
    """One record of them all would be larger than Kafka takes."""
    bodies = [page(anonymousId=f"{n:04}" + "a" * 490, userId=f"{n:04}" + "é" * 490) for n in range(600)]
    profiles = worker(*bodies)
    assert len(worker.log) > 1
    assert max(map(len, worker.log)) < 500_000
    assert profiles == [profile_id(("user_id", body["userId"])) for body in bodies]


ids = st.fixed_dictionaries({"type": st.just("page")}, optional={"userId": st.sampled_from("uvw")}).flatmap(
    lambda body: st.sampled_from("abc").map(lambda device: {**body, "anonymousId": device})
)
aliases = st.builds(alias, st.sampled_from("uvwab"), st.sampled_from("uvw"))
batches = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.one_of(ids, ids, aliases), min_size=1, max_size=4)), max_size=12
)


@given(batches)
def test_all_workers_reach_the_same_answers(history: list[tuple[int, list[dict[str, Any]]]]) -> None:
    """Whoever meets which events: each is resolved with its own links applied, and in the end all workers agree."""
    log: list[bytes] = []
    workers = [Worker(log) for _ in range(3)]
    for number, bodies in history:
        profiles = workers[number](*bodies)
        for body, profile in zip(bodies, profiles, strict=True):
            assert workers[number].agent._identities.resolve_many([_best(body)])[0] == [profile]
    for one in workers:
        one.catch_up()
    assert len({repr((memory(one.replica).ids, memory(one.replica).profiles)) for one in workers}) == 1


def _best(body: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("user_id", body["userId"]),) if "userId" in body else (("anonymous_id", body["anonymousId"]),)


@given(batches)
def test_the_cut_into_batches_changes_no_final_profile(history: list[tuple[int, list[dict[str, Any]]]]) -> None:
    """Where only devices meet users, one user each: links have no order, so batches may be cut anywhere."""
    bodies = [
        {"type": "page", "userId": "u" + body["anonymousId"], "anonymousId": body["anonymousId"]}
        for _, batch in history
        for body in batch
        if "anonymousId" in body
    ]
    whole, single = Worker([]), Worker([])
    if bodies:
        whole(*bodies)
    for body in bodies:
        single(body)
    devices = [(("anonymous_id", device),) for device in "abc"]
    assert whole.replica.resolve_many(devices)[0] == single.replica.resolve_many(devices)[0]
