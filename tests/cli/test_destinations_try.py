"""`router destinations try` and `check`: each step named, the request, the partner's answer in words."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.lines import Ended, Line
from tests.config.topologies import write
from tests.partners import PARTNERS
from tests.partners.partner import HttpPartner

ORDER = {"type": "track", "event": "Order Completed", "userId": "u1", "properties": {"total": 9.5, "card": "4111"}}
URL = {"url": "http://127.0.0.1:9/x", "allow_private": True}


def topology(folder: Path, **crm: Any) -> Path:
    """The source web and the destination crm, changed by these keys; other top-level keys under `also`."""
    config = {
        "name": "t",
        "sources": {"web": {"write_keys": ["k"], **crm.pop("web", {})}},
        **crm.pop("also", {}),
        "destinations": {"crm": {"type": "webhook", "settings": URL, **crm}},
    }
    return write(folder, "t.yaml", yaml.safe_dump(config, sort_keys=False))


def tried(line: Line, path: Path, *events: dict[str, Any], options: tuple[str, ...] = ()) -> Ended:
    texts = [json.dumps(event) for event in events]
    return line("destinations", "try", "crm", *texts, "--topology", path, *options)


def steps(ended: Ended, number: int = 0) -> dict[str, list[str]]:
    return {step["agent"]: step["says"] for step in ended.answer[number]["steps"]}


def test_each_step_says_what_it_makes_of_the_event(line: Line, tmp_path: Path) -> None:
    path = topology(
        tmp_path,
        web={"rules": {"rename": {"events": {"order done": "Order Completed"}}}},
        also={
            "privacy": {
                "classes": {"email": {"color": "yellow", "values": "email"}},
                "destinations": {"crm": {"email": "mask"}},
            }
        },
        filters=[{"if": "properties.total < 1", "then": "drop"}, {"then": {"remove": ["properties.card"]}}],
        map={"track": {"revenue": "properties.total"}},
    )
    event = ORDER | {"event": "order done", "properties": {"total": 9.5, "card": "4111", "mail": "ada@example.com"}}

    ended = tried(line, path, event, options=("--json",))

    assert ended.status == 0, ended.err
    said = steps(ended)
    assert said["source_rules"] == ['event = "Order Completed"']
    assert said["filter"] == [
        "destinations.crm.filters[0] lets it pass",
        "destinations.crm.filters[1] chooses fields",
        "properties.card removed",
    ]
    assert said["privacy"] == ['properties.mail = "***"']
    (request,) = ended.answer[0]["requests"]
    sent = json.loads(request["body"])
    assert (sent["event"], sent["revenue"]) == ("Order Completed", 9.5)
    assert sent["properties"] == {"total": 9.5, "mail": "***"}


@pytest.mark.parametrize(
    ("crm", "event", "agent", "words"),
    [
        ({"filters": [{"if": "properties.total > 1", "then": "drop"}]}, ORDER, "filter", "filters[0] decides"),
        ({"types": ["identify"]}, ORDER, "route", "not sent: type: its call type is not in `types`"),
        ({"sources": ["!web"]}, ORDER, "route", "takes nothing from the source web"),
        ({"consent": ["ads"]}, ORDER, "consent", "not sent: consent: the person has not agreed"),
        ({}, ORDER | {"integrations": {"crm": False}}, "route", "not sent: integrations"),
        ({"web": {"rules": {"block": ["Order *"]}}}, ORDER, "validate", "ends here: source_rule"),
    ],
)
def test_who_keeps_an_event_from_the_destination_is_named(
    line: Line, tmp_path: Path, crm: dict[str, Any], event: dict[str, Any], agent: str, words: str
) -> None:
    ended = tried(line, topology(tmp_path, **crm), event, options=("--json", "--source", "web"))

    assert ended.status == 1
    assert words in "\n".join(steps(ended)[agent])
    assert ended.answer[0]["requests"] == []


def test_a_repeat_among_the_events_is_named(line: Line, tmp_path: Path) -> None:
    event = ORDER | {"messageId": "m1"}

    ended = tried(line, topology(tmp_path), event, event)

    assert ended.status == 1
    assert ended.out.count("  request ") == 1
    assert "ends here: repeat:" in ended.out


def test_what_the_map_switches_off_or_cannot_convert_is_said(line: Line, tmp_path: Path) -> None:
    path = topology(tmp_path, map={"page": False, "track": {"at": {"path": "event", "as": "unix_seconds"}}})

    ended = tried(line, path, ORDER, {"type": "page", "userId": "u1"})

    assert ended.status == 1
    assert "  map           left out: at:" in ended.out
    assert "not sent: mapping: the mapping does not send it" in ended.out


def test_what_is_no_event_has_its_place(line: Line, tmp_path: Path) -> None:
    path = topology(tmp_path)
    file = write(tmp_path, "events.ndjson", json.dumps(ORDER) + '\n{"type": "pgae", "userId": "u1"}\n')

    ended = line("destinations", "try", "crm", file, "--topology", path)

    assert ended.status == 1
    assert f"{file}:2:1: (root): expected an event, got none: `type` is none of" in ended.err


def test_an_event_of_a_source_that_is_off_is_none(line: Line, tmp_path: Path) -> None:
    path = topology(tmp_path, web={"enabled": False})

    ended = tried(line, path, ORDER, options=("--source", "web"))

    assert ended.status == 1
    assert "source_disabled: the source is switched off" in ended.out


def test_without_events_examples_are_tried_on_a_destination_that_is_off(line: Line, tmp_path: Path) -> None:
    path = topology(tmp_path, enabled=False, types=["identify", "group"])

    ended = line("destinations", "try", "crm", "--topology", path, "--json")

    assert ended.status == 0
    assert [one["type"] for one in ended.answer] == ["identify", "group"]


def test_examples_are_those_of_the_plan(line: Line) -> None:
    ended = line("destinations", "try", "crm", "--topology", "topologies/shop.yaml", "--json")

    assert ended.status == 0
    assert {one["event"] for one in ended.answer} == {"Order Completed", "Signed Up", ""}
    assert all(one["requests"] for one in ended.answer)


@pytest.mark.parametrize("name", sorted(name for name, one in PARTNERS.items() if issubclass(one, HttpPartner)))
async def test_an_event_is_sent_and_the_answer_said(line: Line, tmp_path: Path, name: str) -> None:
    """For every connector that sends requests, against its double."""
    async with PARTNERS[name](tmp_path) as partner:
        event = partner.event(1).body
        path = topology(tmp_path, type=name, settings=partner.settings)
        good = await asyncio.to_thread(tried, line, path, event, options=("--send",))
        partner.trouble("refuse")
        refused = await asyncio.to_thread(tried, line, path, event, options=("--send", "--json"))

    assert good.status == 0, good.out + good.err
    assert "  answer        accepted: 2" in good.out or "  answer        sent; " in good.out or "409" in good.out
    assert len(partner.accepted()) == 1
    assert refused.status == 1
    assert refused.answer[0]["answer"]["code"] == "401"
    for printed in (good, refused):
        assert partner.secret not in printed.out + printed.err


async def test_nothing_is_sent_unasked(line: Line, tmp_path: Path) -> None:
    async with PARTNERS["webhook"](tmp_path) as partner:
        path = topology(tmp_path, settings=partner.settings)
        ended = await asyncio.to_thread(tried, line, path, ORDER)

    assert ended.status == 0
    assert partner.accepted() == []


def test_a_closed_port_is_said(line: Line, tmp_path: Path) -> None:
    with socket.socket() as bound:  # and never listens
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/x"
        path = topology(tmp_path, settings={"url": url, "allow_private": True})
        ended = tried(line, path, ORDER, options=("--send",))
        also_refused = tried(line, path, ORDER, {"type": "page"}, options=("--send",))

    assert ended.status == 3
    assert also_refused.status == 1
    assert "ECONNREFUSED: nothing listens at that address and port" in ended.out


def test_an_address_that_is_not_allowed_is_said(line: Line, tmp_path: Path) -> None:
    ended = tried(line, topology(tmp_path, settings={"url": "http://127.0.0.1/x"}), ORDER, options=("--send",))

    assert ended.status == 1
    assert "a private one needs settings.allow_private" in ended.out


def test_a_destination_without_requests_shows_what_it_would_write(line: Line, tmp_path: Path) -> None:
    path = topology(tmp_path, type="file", settings={"path": str(tmp_path / "out")})

    shown, sent = tried(line, path, ORDER), tried(line, path, ORDER, options=("--send",))

    assert shown.status == 0
    assert '"event":"Order Completed"' in shown.out
    assert sent.status == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["try", "crn"], "expected a destination, got crn (did you mean crm?)"),
        (["check", "crn"], "expected a destination, got crn (did you mean crm?)"),
        (["try", "crm", "--source", "wbe"], "expected a source, got wbe (did you mean web?)"),
        (["try", "crm", "no-such-file.json"], "expected a readable file"),
    ],
)
def test_wrong_names_are_said_with_the_near_one(line: Line, tmp_path: Path, arguments: list[str], words: str) -> None:
    ended = line("destinations", *arguments, "--topology", topology(tmp_path))

    assert ended.status in (1, 2)
    assert words in ended.err


async def test_check_asks_every_partner_for_its_opinion_of_the_credentials(line: Line, tmp_path: Path) -> None:
    async with PARTNERS["customerio"](tmp_path / "a") as good, PARTNERS["customerio"](tmp_path / "b") as bad:
        bad.trouble("refuse")
        destinations = {
            "good": {"type": "customerio", "settings": good.settings},
            "bad": {"type": "customerio", "settings": bad.settings},
            "hook": {"type": "webhook", "settings": {**URL, "secret": "blank-at-the-end "}},
            "lake": {"type": "file", "settings": {"path": str(tmp_path / "out")}},
        }
        config = {"name": "t", "sources": {}, "destinations": destinations}
        path = write(tmp_path, "t.yaml", yaml.safe_dump(config))
        every = await asyncio.to_thread(line, "destinations", "check", "--topology", path)
        one = await asyncio.to_thread(line, "destinations", "check", "good", "--topology", path, "--json")

    assert every.status == 1
    said = dict(text.split(None, 1) for text in every.out.splitlines())
    assert said["good"] == "takes the credentials"
    assert "401: the partner does not accept the credentials" in said["bad"]
    assert "cannot be asked without an event" in said["hook"]
    assert said["lake"] == "cannot be asked"
    assert "destinations.hook.settings.secret begins or ends with a blank" in every.err
    assert (one.status, one.answer[0]["accepted"]) == (0, True)
    assert not (tmp_path / "out").exists()


def test_check_of_a_partner_that_is_not_there_ends_with_a_status_of_its_own(line: Line, tmp_path: Path) -> None:
    with socket.socket() as bound:  # and never listens
        bound.bind(("127.0.0.1", 0))
        settings = {"base_url": f"http://127.0.0.1:{bound.getsockname()[1]}", "allow_private": True}
        path = topology(tmp_path, type="customerio", settings={"site_id": "s", "api_key": "k", **settings})
        ended = line("destinations", "check", "--topology", path)

    assert ended.status == 3
    assert "ECONNREFUSED" in ended.out
