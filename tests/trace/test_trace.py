"""`router trace` on a broker: the story of ops/runbook.md, and whatever else one may ask about the same events."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from router.embedded.broker import EmbeddedBroker
from tests.brokers import choice
from tests.cli.lines import Ended, Line
from tests.delivery.partner import Partner
from tests.delivery.stage import eventually
from tests.trace.stage import TraceStage

RUNBOOK = Path(__file__).parents[2] / "ops" / "runbook.md"
ORDER = {"type": "track", "event": "Order Completed", "userId": "u1", "properties": {"total": 9.5}}
TOPOLOGY: dict[str, Any] = {"default_source": "web", "mask": ["email"]}


def destinations(partner: Partner, body: dict[str, Any]) -> dict[str, Any]:
    """A CRM that refuses a request with `poison`, and another partner that takes nothing but identify calls."""
    settings = {"url": f"{partner.url}/crm", "allow_private": True, "body": {"messageId": {"path": "messageId"}} | body}
    return {"crm": {"type": "http", "settings": settings}, "ads": partner.webhook("/ads", types=["identify"])}


def commands(title: str) -> list[list[str]]:
    """The blocks of commands of a story in the runbook, without the word router."""
    story = RUNBOOK.read_text("utf-8").partition(f"### {title}\n")[2].partition("\n### ")[0]
    return [block.split("\n") for block in re.findall(r"^```\n(router .*?)\n```$", story, re.M | re.S)]


@pytest.mark.parametrize("broker", ["embedded" if choice.missing() else "kafka"])
def test_the_story_of_the_runbook(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path, unique: str, partner: Partner, line: Line,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """An order did not reach the CRM; trace says why; the mapping is mended; redrive; trace says delivered."""
    cluster: EmbeddedBroker | str = request.getfixturevalue(broker)
    partner.faults(crm=[{"kind": "poison", "status": 400}])
    one = TraceStage(cluster, tmp_path, unique, destinations(partner, {"poison": True}), **TOPOLOGY)
    monkeypatch.setenv("ROUTER_BOOTSTRAP", one.cluster.bootstrap)
    monkeypatch.setenv("ROUTER_TOPOLOGY", str(one.file))
    (first,), mending = commands("An order did not reach the CRM: from the order to its delivery")

    def run(command: str) -> Ended:
        return line(*command.split()[1:])

    order = ORDER | {"messageId": "order-1"}
    person = {"type": "identify", "userId": "u1", "anonymousId": "a1", "messageId": "i1"}
    with one.routing(), one.delivering():
        one.receive(order, order, person | {"traits": {"email": "ada@example.com"}}, ORDER | {"messageId": "order-10"})
        eventually(lambda: one.totals("crm") == (0, 3), "the dead letters")
        eventually(lambda: line("trace", "ada@example.com").status == 0, "the merge of the address")
    why = run(first)
    assert why.status == 0, why.err
    assert "messageId order-1  source web  user u1\n" in why.out
    assert ": dropped" in why.out, why.out
    assert "ads       filtered: type: its call type is not in `types` (destinations.ads.types)*" in why.out
    assert "crm       dead after 1 attempt: 400: the partner rejects the data; " in why.out
    assert "order-10" not in why.out

    one.write(destinations(partner, {}), **TOPOLOGY)
    assert "3 dead letters redriven" in run(mending[0]).out
    assert re.search(r"crm       redriven, from \S+\.dead:\d+:\d+ to \S+", run(mending[1]).out)
    assert states(line, "order-1") == {"crm": "waiting", "ads": "filtered"}
    with one.delivering(follow=True):
        eventually(lambda: one.totals("crm") == (3, 3), "the redriven events")
    assert re.search(r"crm       delivered after 1 attempt, from ", run(mending[1]).out)
    assert partner.names("/crm").count("order-1") == 1
    ask_about_the_person(line)
    ask_what_nobody_knows(line)


def states(line: Line, asked: str) -> dict[str, str]:
    (event,) = line("trace", asked, "--json").answer["events"]
    found: dict[str, str] = event["destinations"]
    return found


def ask_about_the_person(line: Line) -> None:
    """By any id, in the order of time; no address is printed where it is masked."""
    for asked in ("u1", "ada@example.com", "Ada@Example.com"):
        answer = line("trace", asked, "--json").answer
        assert {event["messageId"] for event in answer["events"]} == {"order-1", "order-10", "i1"}, asked
        times = [event["received"] for event in answer["events"]]
        assert times == sorted(times)
    assert "i1" in {event["messageId"] for event in line("trace", "a1", "--json").answer["events"]}
    profile = line("trace", "u1", "--json", "--count", 1).answer["events"][0]["profileId"]
    assert len(line("trace", profile, "--json").answer["events"]) == 3
    assert "ada@" not in line("trace", "u1").out


def ask_what_nobody_knows(line: Line) -> None:
    missed = line("trace", "nobody@example.com")
    assert missed.status == 1
    assert "nothing found since " in missed.out
    assert "begins or ends with a blank" in line("trace", "order-1 ").out
    assert line("trace", " ").status == 2
    assert line("trace", "order-1", "--since", "2999-01-01T00:00:00Z").status == 2
    assert line("trace", "order-1", "--since", "soon").status == 2


def test_topics_that_are_missing_are_named(embedded: EmbeddedBroker, tmp_path: Path, unique: str, line: Line) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(f"name: shop\ntopics: {{prefix: {unique}.}}\nsources: {{web: {{}}}}\n")
    said = line("trace", "m1", "--topology", file, "--bootstrap", embedded.bootstrap)
    assert said.status == 1
    assert f"{unique}.events.raw is missing: see `router topics check`" in said.out
