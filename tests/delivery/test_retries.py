"""One event that its partner cannot take leaves the way of all others, also across kill -9."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import orjson

from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import Deliver, Stage, eventually

QUICK = {"retry": {"first": "50ms", "longest": "100ms"}, "order": "profile", "concurrency": 4}


def shown(process: Deliver, name: str) -> float:
    return process.metrics().get((f"router_delivery_{name}", "crm"), -1.0)


def attempts(stage: Stage) -> int:
    """The most that any entry of the retry topic has behind it. While nobody writes: a busy topic has no end."""
    headers: list[dict[str, Any]] = [dict(one.headers() or ()) for one in stage.read(stage.topics.retry("crm"))]
    return max(int(one["attempts"]) for one in headers)


def test_kill_minus_nine_in_the_middle_of_retries_loses_and_repeats_nothing(
    best_stage: Staging, partner: Partner
) -> None:
    """All others pass meanwhile, its profile's later events follow it, and its attempts go on where they were."""
    partner.faults(crm=[{"kind": "poison", "status": 500}])
    one = best_stage({"crm": partner.webhook("/crm", delivery=QUICK)})
    sent = one.send("crm", 1, poison=True) + one.send("crm", 139)  # of seven profiles: 20 are of the first one's
    made = [0]
    for _ in range(2):
        with one.process() as process:
            eventually(lambda: one.totals("crm") == (120, 0), "the other profiles")
            eventually(partial(_shows, process, 20), "its profile in the retry lane")
            assert shown(process, "pending") == 20
            eventually(lambda: shown(process, "retries_total") >= 4, "retries")
            process.kill()
        made.append(attempts(one))
    assert made == sorted(set(made)), "a later process counts on"
    partner.faults()
    with one.process() as process:
        eventually(lambda: one.totals("crm") == (140, 0), "all")
        eventually(partial(_shows, process, 0), "an empty lane")
        assert process.stop() == 0

    assert partner.counts("/crm") == Counter(sent)
    assert [name for name in partner.names("/crm") if int(name[4:]) % 7 == 0] == sent[::7]


def _shows(process: Deliver, count: int) -> bool:
    return shown(process, "retry_lane") == count


def test_an_event_whose_time_ends_in_the_lane_is_a_dead_letter_like_any_other(
    embedded_stage: Staging, partner: Partner
) -> None:
    """Whole, with its place in the destination's topic; what waited behind it is delivered then."""
    partner.faults(crm=[{"kind": "poison", "status": 500}])
    retry = {"retry": {"budget": "1s", "first": "50ms", "longest": "100ms"}}
    one = embedded_stage({"crm": partner.webhook("/crm", delivery=QUICK | retry)})
    (bad,) = one.send("crm", 1, poison=True)
    good = one.send("crm", 20)
    with one.delivering():
        eventually(partial(_dead, one, 1), "a dead letter")
        eventually(lambda: one.totals("crm") == (20, 1), "all others")

    (letter,) = one.dead("crm")
    headers: dict[str, bytes] = dict(letter.headers() or ())  # type: ignore[arg-type]
    assert orjson.loads(letter.value() or b"")["messageId"] == bad
    assert (headers["error-code"], headers["error-stage"]) == (b"500", b"deliver")
    assert headers["origin"].decode().startswith(one.topics.destination("crm") + ":")
    assert int(headers["attempts"]) > 1
    assert not any(name.startswith(("retry-", "parked")) for name in headers)
    assert partner.counts("/crm") == Counter(good)


def _dead(stage: Stage, count: int) -> bool:
    return stage.totals("crm")[1] == count
