"""Destinations follow the topology's file one by one: what changes is drained and begins again, the rest goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from router import metrics
from router.process.health import Health
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually

QUICK = {"retry": {"first": "20ms", "longest": "100ms"}}
Destinations = dict[str, Any]


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def settled(stage: Stage, destination: str, delivered: int, dead: int = 0) -> None:
    eventually(lambda: stage.totals(destination) == (delivered, dead), f"{delivered} delivered, {dead} dead")


class Following:
    """Delivery that follows its file; `become` returns once the file is in force."""

    def __init__(self, stage: Stage, health: Health) -> None:
        self.stage = stage
        self.health = health

    def update(self, destinations: Destinations, outcome: str = "applied", **topology: Any) -> None:
        before = sample("router_reloads_total", outcome=outcome)
        self.stage.write(destinations, **topology)
        eventually(lambda: sample("router_reloads_total", outcome=outcome) > before, f"the file to be {outcome}")


@contextmanager
def following(stage: Stage) -> Iterator[Following]:
    with stage.delivering(follow=True) as health:
        eventually(lambda: health.readiness().ok, "readiness")
        yield Following(stage, health)


def test_a_changed_destination_begins_again_and_its_neighbour_does_not_notice(
    embedded_stage: Staging, partner: Partner
) -> None:
    """Every event arrives once, at the old address or the new one; the neighbour's group sees no change."""
    lake = partner.webhook("/lake")
    one = embedded_stage({"crm": partner.webhook("/crm"), "lake": lake})
    before, neighbours = one.send("crm", 200), one.send("lake", 200)
    with following(one) as process:
        settled(one, "crm", 200)
        joined = len(process.health.readiness().checks)
        process.update({"crm": partner.webhook("/new"), "lake": lake})
        after = one.send("crm", 200)
        neighbours += one.send("lake", 200)
        settled(one, "crm", 400)
        settled(one, "lake", 400)
        eventually(lambda: process.health.readiness().ok, "readiness")
        assert len(process.health.readiness().checks) == joined

    assert partner.counts("/crm") == Counter(before)
    assert partner.counts("/new") == Counter(after)
    assert partner.counts("/lake") == Counter(neighbours)


def test_changes_under_load_lose_and_repeat_nothing(best_stage: Staging, partner: Partner) -> None:
    """What is under way is finished before the destination begins again."""
    partner.faults(crm=[{"kind": "slow", "seconds": 0.05, "share": 0.3}])
    one = best_stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 1500)
    with following(one) as process:
        for number, target in enumerate((100, 500, 900)):
            eventually(partial(lambda count: partner.accepted("/crm") >= count, target), "deliveries")
            process.update({"crm": partner.webhook("/crm", delivery={"concurrency": 5 + number})})
        settled(one, "crm", 1500)

    assert partner.counts("/crm") == Counter(sent)
    assert one.dead("crm") == []


def test_a_destination_that_is_switched_off_leaves_its_events_for_later(
    embedded_stage: Staging, partner: Partner
) -> None:
    on, off = partner.webhook("/crm"), partner.webhook("/crm", enabled=False)
    one = embedded_stage({"crm": on})
    sent = one.send("crm", 50)
    with following(one) as process:
        settled(one, "crm", 50)
        process.update({"crm": off})
        sent += one.send("crm", 50)
        assert process.health.readiness().checks["deliver"].why == "no destination is enabled"
        assert "deliver.crm" not in process.health.readiness().checks
        assert metrics.REGISTRY.get_sample_value("router_delivery_target_ratio", {"destination": "crm"}) is None
        assert partner.accepted("/crm") == 50
        process.update({"crm": on})
        settled(one, "crm", 100)

    assert partner.counts("/crm") == Counter(sent)


def test_a_new_destination_begins_and_a_removed_one_ends(best_stage: Staging, partner: Partner) -> None:
    crm, mail = partner.webhook("/crm"), partner.webhook("/mail")
    one = best_stage({"crm": crm, "mail": mail})
    one.write({"crm": crm})
    sent = one.send("mail", 50)
    with following(one) as process:
        assert sample("router_delivery_target_ratio", destination="crm") == 0.99
        process.update({"mail": mail | {"target": "95%"}})
        assert sample("router_delivery_target_ratio", destination="mail") == 0.95
        settled(one, "mail", 50)
        one.send("crm", 10)
        eventually(lambda: process.health.readiness().ok, "readiness")
        assert "deliver.crm" not in process.health.readiness().checks

    assert partner.counts("/mail") == Counter(sent)
    assert partner.accepted("/crm") == 0


def test_a_new_destination_without_topics_is_left_out_and_the_rest_is_taken_over(
    embedded_stage: Staging, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.process.reload.TOPICS_SECONDS", 0.2)
    one = embedded_stage({"crm": partner.webhook("/crm")})
    with following(one) as process:
        more = {"crm": partner.webhook("/new"), "mail": partner.webhook("/mail")}
        process.update(more, "restart_needed")
        sent = one.send("crm", 20)
        settled(one, "crm", 20)
        assert "deliver.mail" not in process.health.readiness().checks

    assert partner.counts("/new") == Counter(sent)


def test_a_partner_that_refused_us_is_mended_by_the_file(embedded_stage: Staging, partner: Partner) -> None:
    """The destination was paused with its events; with the right address they arrive, and no alert stays."""
    partner.faults(crm=[{"kind": "status", "status": 401}])
    one = embedded_stage({"crm": partner.webhook("/crm", delivery=QUICK)})
    sent = one.send("crm", 40)
    with following(one) as process:
        eventually(lambda: sample("router_delivery_paused", destination="crm", reason="refused") == 1, "the pause")
        process.update({"crm": partner.webhook("/mended", delivery=QUICK)})
        settled(one, "crm", 40)
        assert sample("router_delivery_paused", destination="crm", reason="refused") == 0

    assert partner.counts("/mended") == Counter(sent)


def test_a_partner_that_never_answers_does_not_hold_up_the_others(embedded_stage: Staging, partner: Partner) -> None:
    """Its requests end by its timeout while its neighbour's change is long in force."""
    partner.faults(slow=[{"kind": "slow", "seconds": 3600}])
    slow = partner.webhook("/slow", delivery={"timeout": "5s"})
    one = embedded_stage({"slow": slow, "crm": partner.webhook("/crm")})
    one.send("slow", 5)
    with following(one) as process:
        eventually(lambda: partner.requests("/slow") > 0, "a request under way")
        one.write({"slow": slow | {"delivery": {"timeout": "4s"}}, "crm": partner.webhook("/new")})
        sent = one.send("crm", 20)
        settled(one, "crm", 20)
        partner.faults()
        settled(one, "slow", 5)
        assert process.health.liveness().ok

    assert partner.counts("/crm") + partner.counts("/new") == Counter(sent)


def test_a_faulty_file_changes_nothing(embedded_stage: Staging, partner: Partner) -> None:
    crm = partner.webhook("/crm")
    one = embedded_stage({"crm": crm})
    with following(one) as process:
        process.update({"crm": crm | {"settings": {"url": "no url"}}}, "refused")
        sent = one.send("crm", 20)
        settled(one, "crm", 20)

    assert partner.counts("/crm") == Counter(sent)


def test_masked_fields_follow_the_file(embedded_stage: Staging, partner: Partner) -> None:
    partner.faults(crm=[{"kind": "status", "status": 400}])
    crm = partner.webhook("/crm")
    one = embedded_stage({"crm": crm})
    with following(one) as process:
        one.send("crm", 1, nickname="first-nick")
        settled(one, "crm", 0, 1)
        process.update({"crm": crm}, mask=["nickname"])
        one.send("crm", 1, nickname="other-nick")
        settled(one, "crm", 0, 2)

    samples = [sample["event"]["nickname"] for entry in one.log() for sample in entry["samples"]]
    assert samples == ["first-nick", "***"]


@pytest.mark.chaos
def test_kill_minus_nine_while_a_destination_changes_loses_nothing(best_stage: Staging, partner: Partner) -> None:
    """Killed soon after each edit, with the change half done; committed counts name every event once."""
    one = best_stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 2000)
    for number, target in enumerate((200, 600, 1000, 1400)):
        with one.process() as process:
            eventually(partial(lambda count: partner.accepted("/crm") >= count, target), "deliveries")
            one.write({"crm": partner.webhook("/crm", delivery={"concurrency": 4 + number})})
            seen = partner.accepted("/crm")
            eventually(partial(lambda beyond: partner.accepted("/crm") > beyond, seen), "deliveries after the edit")
            process.kill()
    with one.delivering():
        settled(one, "crm", 2000)

    assert set(partner.counts("/crm")) == set(sent)
    assert one.dead("crm") == []
