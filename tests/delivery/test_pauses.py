"""An operator's pause: obeyed while delivery runs, kept by a restart, shown, and nothing is lost meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from router import metrics
from router.delivery.pauses import read_pauses
from router.process.health import Health
from tests.cli.conftest import line
from tests.cli.lines import Ended, Line
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually

__all__ = ["line"]

WEBHOOK: dict[str, Any] = {"type": "webhook", "settings": {"url": "https://crm.example/events"}}
Command = Callable[..., Ended]


@pytest.fixture
def destinations(line: Line) -> Command:
    """`destinations(stage, "pause", …)` on the stage's topology and broker."""

    def run(one: Stage, *arguments: object) -> Ended:
        return line("destinations", *arguments, "--topology", one.file, "--bootstrap", one.cluster.bootstrap)

    return run


def gauge(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def waits_for_the_operator(health: Health, taken: int) -> bool:
    """All its events are with the process, and it says whom it waits for."""
    check = health.liveness().checks.get("deliver.crm")
    said = check is not None and check.why.startswith("paused by ")
    return said and gauge("router_delivery_pending", destination="crm") == taken


def test_a_pause_is_obeyed_outlives_a_restart_and_loses_nothing(
    embedded_stage: Staging, partner: Partner, destinations: Command
) -> None:
    one = embedded_stage({"crm": partner.webhook("/crm"), "ads": partner.webhook("/ads")})
    with one.delivering() as health:
        first = one.send("crm", 5)
        eventually(lambda: one.totals("crm") == (5, 0), "what came before the pause")
        ended = destinations(one, "pause", "crm", "--why", "the partner moves house")
        assert (ended.status, ended.out.splitlines()[0][:12]) == (0, "crm: paused;")
        eventually(lambda: gauge("router_delivery_paused", destination="crm", reason="operator") == 1, "the pause")
        held = one.send("crm", 7)
        one.send("ads", 3)
        eventually(lambda: waits_for_the_operator(health, 7), "the events that wait")
        eventually(lambda: one.totals("ads") == (3, 0), "the other destination")
        assert "the partner moves house" in health.liveness().checks["deliver.crm"].why
    with one.delivering() as health:
        eventually(lambda: waits_for_the_operator(health, 7), "the same after a restart")
        assert sorted(partner.names("/crm")) == first
        ended = destinations(one, "resume", "crm")
        assert ended.out.startswith("crm: resumed; it was paused by ")
        eventually(lambda: one.totals("crm") == (12, 0), "all of them")
        assert gauge("router_delivery_paused", destination="crm", reason="operator") == 0
    assert partner.counts("/crm") == dict.fromkeys([*first, *held], 1)


def test_what_cannot_be_paused_is_said(embedded_stage: Staging, destinations: Command) -> None:
    one = embedded_stage({"crm": WEBHOOK, "ads": WEBHOOK | {"enabled": False}})

    unknown, off = destinations(one, "pause", "crmm"), destinations(one, "pause", "ads")

    assert (unknown.status, off.status) == (2, 2)
    assert f"expected a destination of {one.name}, got crmm (did you mean crm?)" in unknown.err
    assert "the destination ads has enabled: false" in off.err
    assert read_pauses(one.cluster, one.topics.control)[0] == {}


def test_a_second_pause_keeps_the_first_and_a_resume_of_nothing_changes_nothing(
    embedded_stage: Staging, destinations: Command
) -> None:
    one = embedded_stage({"crm": WEBHOOK})

    resumed = destinations(one, "resume", "crm", "--json").answer
    first = destinations(one, "pause", "crm", "--why", "first", "--json").answer
    again = destinations(one, "pause", "crm", "--why", "second", "--json").answer

    assert resumed == [{"name": "crm", "changed": False, "paused": None}]
    assert (first[0]["changed"], again[0]["changed"]) == (True, False)
    assert first[0]["paused"] == again[0]["paused"]
    assert again[0]["paused"]["why"] == "first"


def test_records_that_no_router_wrote_pause_nothing(
    embedded_stage: Staging, destinations: Command, caplog: pytest.LogCaptureFixture
) -> None:
    one = embedded_stage({"crm": WEBHOOK})
    for value in (b"{", b"[]", b'{"paused": true}', b"7"):
        one.produce(one.topics.control, value, b"crm", None)
    one.flush()

    assert read_pauses(one.cluster, one.topics.control) == ({}, 4)
    assert caplog.text.count("expected a record of router destinations pause") == 4


def test_without_the_topic_a_pause_says_how_to_make_it(
    embedded_stage: Staging, destinations: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set-up from before there was one."""
    one = embedded_stage({"crm": WEBHOOK})
    monkeypatch.setattr("router.events.topics.Topics.control", "gone.control")

    ended = destinations(one, "pause", "crm")

    assert ended.status == 1
    assert "expected the topic gone.control: make it with `router topics apply`" in ended.err
