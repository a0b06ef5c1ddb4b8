"""Source rules, bots, consent, personal data: topologies in, what each destination gets out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from router.config.loader import load_topology
from router.destinations.registry import destination_types
from router.privacy.encryption import Cipher
from router.topology_tests.case_router import CaseRouter
from router.topology_tests.cases import read_tests
from tests.config.topologies import problems, write

URL = {"url": "https://example.com"}
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def topology(**keys: Any) -> dict[str, Any]:
    """Source web, destinations crm and ads, changed by these keys."""
    base: dict[str, Any] = {
        "name": "t",
        "sources": {"web": {}},
        "destinations": {name: {"type": "webhook", "settings": URL} for name in ("crm", "ads")},
    }
    for key, value in keys.items():
        if key in ("web", "crm", "ads"):
            base["sources" if key == "web" else "destinations"].setdefault(key, {}).update(value)
        else:
            base[key] = value
    return base


def routed(folder: Path, config: dict[str, Any], *events: dict[str, Any]) -> dict[str, Any]:
    """What came out of a topology, by output."""
    path = write(folder, "t.yaml", yaml.safe_dump(config, sort_keys=False))
    given = [
        {"source": "web", "type": "track", "userId": "u1", "messageId": f"m{number}", **event}
        for number, event in enumerate(events)
    ]
    tests = {"tests": [{"name": "a case", "given": given, "expect": {"crm": []}}]}
    (case,) = read_tests(write(folder, "t.test.yaml", yaml.safe_dump(tests, sort_keys=False))).cases.tests
    loaded = load_topology([path], env={}, registry=destination_types(), placeholders=True)
    return CaseRouter(loaded).outputs(case)


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item.get("event") or item.get("name", "") for item in items]


def test_blocked_names_lie_in_events_blocked_with_the_rule_and_reach_nobody(tmp_path: Path) -> None:
    rules = {"block": ["Debug *"], "allow": ["*"]}
    out = routed(tmp_path, topology(web={"rules": rules}), {"event": "Debug Click"}, {"event": "Order Completed"})

    assert names(out["crm"]) == names(out["resolved"]) == ["Order Completed"]
    assert names(out["blocked"]) == ["Debug Click"]
    assert out["blocked"][0]["violations"][0]["class"] == "source_rule"
    assert [violation["class"] for violation in out["violations"]] == ["source_rule"]


def test_with_allow_other_names_are_blocked_and_calls_without_a_name_pass(tmp_path: Path) -> None:
    page, person = {"type": "page", "name": "Hats"}, {"type": "identify", "traits": {"plan": "pro"}}
    out = routed(tmp_path, topology(web={"rules": {"allow": ["Order *"]}}), page, person, {"event": "Order Completed"})

    assert [item["type"] for item in out["crm"]] == ["identify", "track"]
    assert names(out["blocked"]) == ["Hats"]


def test_a_blocked_event_may_be_sent_again_once_the_rule_is_gone(tmp_path: Path) -> None:
    same = {"event": "Debug Click", "messageId": "m1"}
    out = routed(tmp_path, topology(web={"rules": {"block": ["Debug *"]}}), same, same, same | {"event": "Fine"})

    assert (len(out["blocked"]), out["duplicates"], names(out["crm"])) == (1, 1, ["Fine"])


def test_an_event_is_renamed_before_everything_that_asks_for_its_name(tmp_path: Path) -> None:
    rules = {
        "rename": {
            "events": {"order completed": "Order Completed"},
            "properties": {"Order Completed": {"orderId": "order_id", "a": "b", "b": "c"}},
        },
        "omit": {"properties": {"Order Completed": ["note"]}},
    }
    given = {"event": "order completed", "properties": {"orderId": "1", "note": "x", "a": 1}}
    out = routed(tmp_path, topology(web={"rules": rules}, crm={"events": ["Order Completed"]}), given)

    assert names(out["crm"]) == ["Order Completed"]
    assert out["crm"][0]["properties"]["order_id"] == "1"
    assert "note" not in out["crm"][0]["properties"]


def test_globs_stand_for_events_and_keys_to_leave_out(tmp_path: Path) -> None:
    rules = {
        "rename": {"properties": {"Order *": {"orderId": "order_id"}}},
        "omit": {"properties": {"*": ["debug_*"], "[Old] Sign Up": ["note"]}, "traits": ["*_secret"]},
    }
    given = [
        {"event": "Order Completed", "properties": {"orderId": "1", "debug_a": 1, "debug": 2, "note": "x"}},
        {"event": "[Old] Sign Up", "properties": {"orderId": "2", "debug_b": 1, "note": "x"}},
        {"type": "page", "name": "Home", "properties": {"debug_c": 1, "url": "https://shop.example.com"}},
        {"type": "identify", "traits": {"api_secret": "s", "plan": "pro"}},
    ]
    out = routed(tmp_path, topology(web={"rules": rules}), *given)

    assert [event.get("properties", event.get("traits")) for event in out["crm"]] == [
        {"order_id": "1", "debug": 2, "note": "x"},
        {"orderId": "2"},
        {"url": "https://shop.example.com"},
        {"plan": "pro"},
    ]


@pytest.mark.parametrize("glob", ["[Old] Sign Up", "*Sign Up", "?Old? Sign Up", "[[]Old] Sign Up"])
def test_a_name_with_brackets_stands_for_itself_as_a_glob(tmp_path: Path, glob: str) -> None:
    out = routed(tmp_path, topology(web={"rules": {"block": [glob]}}), {"event": "[Old] Sign Up"}, {"event": "O"})

    assert names(out["crm"]) == ["O"]


def test_traits_are_renamed_and_left_out(tmp_path: Path) -> None:
    rules = {"rename": {"traits": {"planType": "plan_type"}}, "omit": {"traits": ["ssn"]}}
    given = {"type": "identify", "traits": {"planType": "pro", "ssn": "078-05-1120"}}
    out = routed(tmp_path, topology(web={"rules": rules}), given)

    assert out["crm"][0]["traits"] == {"plan_type": "pro"}


@pytest.mark.parametrize(
    ("event", "gets"),
    [
        ({"event": "E"}, ["ads"]),
        ({"event": "E", "integrations": {"crm": True}}, ["crm", "ads"]),
        ({"event": "E", "integrations": {"All": True}}, ["ads"]),
        ({"event": "E", "integrations": {"All": False}}, []),
        ({"event": "Quiet"}, []),
        ({"event": "Quiet", "integrations": {"ads": True}}, ["ads"]),
    ],
)
def test_a_sources_integrations_are_defaults_under_the_events_own(
    tmp_path: Path, event: dict[str, Any], gets: list[str]
) -> None:
    config = topology(web={"integrations": {"crm": False}, "event_integrations": {"Quiet": {"ads": False}}})
    out = routed(tmp_path, config, event)

    assert [name for name in ("crm", "ads") if out[name]] == gets


@pytest.mark.parametrize(("bots", "destinations", "flagged"), [("keep", 1, None), ("flag", 1, True), ("drop", 0, None)])
def test_bots_are_kept_flagged_or_sent_nowhere(tmp_path: Path, bots: str, destinations: int, flagged: Any) -> None:
    crawler, person = {"userAgent": BOT}, {"userAgent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    out = routed(
        tmp_path, topology(web={"bots": bots}), {"event": "E", "context": crawler}, {"event": "E", "context": person}
    )

    assert len(out["crm"]) == destinations + 1
    assert len(out["resolved"]) == 2
    assert out["resolved"][0]["context"].get("bot") is flagged
    assert "bot" not in out["resolved"][1]["context"]
    reasons = {item["reason"] for item in out["filtered"]}
    assert reasons == ({"bot"} if bots == "drop" else set())


@pytest.mark.parametrize(
    ("said", "unknown", "sent"),
    [
        ({"marketing": True}, "require", True),
        ({"marketing": False}, "assume", False),
        ({"analytics": True}, "require", False),
        ({"analytics": True}, "assume", True),
        ({"marketing": "true"}, "require", False),
        (None, "require", False),
        (None, "assume", True),
        ([], "require", False),
    ],
)
def test_consent_decides_for_destinations_that_ask_for_it(tmp_path: Path, said: Any, unknown: str, sent: bool) -> None:
    event = {"event": "E", "context": {"consent": {"categoryPreferences": said}}}
    out = routed(tmp_path, topology(ads={"consent": ["marketing"]}, consent={"unknown": unknown}), event)

    assert bool(out["ads"]) is sent
    assert len(out["crm"]) == 1
    assert [item["reason"] for item in out["filtered"]] == ([] if sent else ["consent"])


CLASSES = {
    "email": {"color": "yellow", "names": ["*email*"], "values": "email"},
    "card": {"color": "red", "values": ["card", {"pattern": "^tok_"}]},
}


def test_each_destination_gets_of_personal_data_what_it_may_have(tmp_path: Path) -> None:
    privacy = {"classes": CLASSES, "destinations": {"*": {"email": "hash", "card": "drop"}, "crm": {"email": "keep"}}}
    properties = {"email": "ada@example.com", "payment": {"numbers": ["4111 1111 1111 1111", "tok_1"]}, "total": 5}
    out = routed(tmp_path, topology(privacy=privacy), {"event": "E", "properties": properties}, {"event": "F"})

    assert out["resolved"][0]["properties"] == properties
    assert out["crm"][0]["properties"] == {"email": "ada@example.com", "payment": {"numbers": []}, "total": 5}
    hashed = out["ads"][0]["properties"]["email"]
    assert len(hashed) == 64
    assert out["ads"][0]["properties"]["payment"] == {"numbers": []}
    assert names(out["crm"]) == names(out["ads"]) == ["E", "F"]
    assert out["crm"][0]["profileId"] == out["ads"][0]["profileId"]


def test_a_source_drops_a_class_before_anything_is_written(tmp_path: Path) -> None:
    config = topology(privacy={"classes": CLASSES, "source": {"web": {"card": "drop"}}})
    config["sources"]["web"] |= {"rules": {"block": ["Blocked"]}}
    number = {"properties": {"number": "4111111111111111"}}
    out = routed(tmp_path, config, {"event": "E", **number}, {"event": "Blocked", **number})

    for output in ("resolved", "crm", "ads", "blocked"):
        assert "number" not in out[output][0]["properties"]


def test_a_class_is_encrypted_at_the_source_and_profiles_stay_the_same(tmp_path: Path) -> None:
    """Deterministic: an encrypted id names the same person every time, at every destination."""
    key = f"2026-11:{'A' * 86}"
    privacy = {"classes": CLASSES, "key": key, "source": {"web": {"email": "encrypt"}}}
    events = [{"event": name, "userId": "ada@example.com"} for name in ("E", "F")]
    out = routed(tmp_path, topology(privacy=privacy | {"destinations": {"crm": {"email": "encrypt"}}}), *events)

    ids = {item["userId"] for output in ("resolved", "crm", "ads") for item in out[output]}
    assert [Cipher(key).decrypt(one) for one in ids] == ["ada@example.com"]
    assert len({item["profileId"] for item in out["resolved"]}) == 1


def test_an_event_that_would_lose_its_last_id_is_not_sent(tmp_path: Path) -> None:
    privacy = {"classes": CLASSES, "destinations": {"ads": {"email": "drop"}}}
    out = routed(tmp_path, topology(privacy=privacy), {"event": "E", "userId": "ada@example.com"})

    assert (len(out["crm"]), out["ads"]) == (1, [])
    assert out["filtered"] == [{"destination": "ads", "reason": "privacy", "count": 1}]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"privacy": {"classes": {"a": {"color": "red", "names": ["messageId"]}}}}, "got messageId, which every event"),
        ({"privacy": {"classes": {"a": {"color": "red", "values": "mail"}}}}, "expected email, phone, card, ip, iban"),
        ({"privacy": {"classes": {"a": {"color": "red", "values": 5}}}}, "expected a text, a mapping or a list, got 5"),
        ({"privacy": {"classes": {"a": {"color": "red", "values": ["ip", {"pattern": "("}]}}}}, "missing ): ("),
        ({"privacy": {"classes": {"a": {"color": "red", "values": {"pattern": "(?=a)"}}}}}, "got (?=a): invalid"),
        ({"privacy": {"classes": CLASSES, "destinations": {"crn": {"email": "drop"}}}}, "(did you mean crm?)"),
        ({"privacy": {"classes": CLASSES, "destinations": {"crm": {"emial": "drop"}}}}, "(did you mean email?)"),
        ({"privacy": {"classes": CLASSES, "source": {"wed": {"email": "drop"}}}}, "(did you mean web?)"),
        ({"privacy": {"classes": CLASSES, "source": {"web": {"email": "delete"}}}}, "delete"),
        ({"privacy": {"classes": CLASSES, "source": {"web": {"email": "encrypt"}}}}, "web.email: expected privacy.key"),
        ({"privacy": {"classes": CLASSES, "destinations": {"*": {"card": "encrypt"}}}}, "*.card: expected privacy.key"),
        ({"privacy": {"classes": CLASSES, "key": "2026:AAAA"}}, "privacy.key: expected <key id>:<base64url of 64"),
        ({"web": {"rules": {"rename": {"events": {"a": "b", "b": "c"}}}}}, "not renamed itself, got a to b"),
        ({"web": {"bots": "ban"}}, "ban"),
        ({"crm": {"consent": "marketing"}}, "consent"),
    ],
)  # fmt: skip
def test_a_faulty_rule_is_refused_at_its_place(tmp_path: Path, keys: dict[str, Any], problem: str) -> None:
    config = topology(**keys)
    for destination in config["destinations"].values():
        destination |= {"type": "pipe", "settings": {}}
    found = problems(write(tmp_path, "t.yaml", yaml.safe_dump(config, sort_keys=False)))

    (found_problem,) = found
    assert problem in found_problem
    assert found_problem.startswith("t.yaml:")
