"""From a destination's topic to its partner, on either broker: all of it, once, each destination at its own pace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from functools import partial
from typing import Any

import orjson
import pytest

from router import metrics
from router.errors import UsageError
from tests.delivery.conftest import Staging
from tests.delivery.partner import Partner
from tests.delivery.stage import Stage, eventually

QUICK = {"retry": {"budget": "2s", "first": "20ms", "longest": "200ms"}}


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def _has(partner: Partner, count: int) -> bool:
    return partner.accepted("/crm") >= count


def settled(stage: Stage, destination: str, delivered: int, dead: int = 0) -> None:
    """The committed offsets say so; Kafka alone is asked."""
    eventually(lambda: stage.totals(destination) == (delivered, dead), f"{delivered} delivered, {dead} dead")


def test_every_event_is_delivered_once_and_said_so(stage: Staging, partner: Partner) -> None:
    """To the partner, in the committed counts, in delivery.log, and in the health of the process."""
    one = stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 400)
    with one.delivering() as health:
        eventually(lambda: partner.accepted("/crm") == 400, "delivery")
        eventually(lambda: health.readiness().ok, health.readiness().why())
        assert health.liveness().ok
        settled(one, "crm", 400)

    assert partner.counts("/crm") == Counter(sent)
    assert one.dead("crm") == []
    log = one.log()
    assert sum(entry["count"] for entry in log) == 400
    assert {(entry["destination"], entry["outcome"], entry["code"], entry["source"]) for entry in log} == {
        ("crm", "delivered", "", "web")
    }
    assert all(entry["latency_ms"]["max"] >= entry["latency_ms"]["p50"] > 0 for entry in log)


def test_events_arrive_soon(embedded_stage: Staging, partner: Partner) -> None:
    """Those that come while the process runs, with the end-to-end time measured."""
    one = embedded_stage({"crm": partner.webhook("/crm")})
    with one.delivering() as health:
        eventually(lambda: health.readiness().ok, "readiness")
        for number in range(1, 4):
            one.send("crm", 1)
            eventually(partial(_has, partner, number), "delivery")
        eventually(lambda: sample("router_end_to_end_p95_seconds", destination="crm") > 0, "p95")


def test_batches_arrive_as_arrays(embedded_stage: Staging, partner: Partner) -> None:
    """With `batch`, as many as it says."""
    one = embedded_stage({"crm": partner.webhook("/crm", delivery={"batch": {"count": 50, "age": "100ms"}})})
    sent = one.send("crm", 500)
    with one.delivering():
        eventually(lambda: partner.accepted("/crm") == 500, "delivery")

    assert partner.counts("/crm") == Counter(sent)
    assert max(receipt["batch"] for receipt in partner.receipts("/crm")) == 50
    assert partner.requests("/crm") < 100


def test_a_graceful_stop_loses_and_repeats_nothing(best_stage: Staging, partner: Partner) -> None:
    """What is under way ends and is committed; the next process goes on behind it."""
    partner.faults(crm=[{"kind": "slow", "seconds": 0.02}])
    one = best_stage({"crm": partner.webhook("/crm")})
    sent = one.send("crm", 300)
    for part in (60, 150):
        with one.process() as process:
            eventually(partial(_has, partner, part), "some deliveries")
            assert process.page, "it must have started, or SIGTERM finds no handler"
            assert process.stop() == 0
        assert one.totals("crm") == (len(partner.names("/crm")), 0)
    partner.faults()
    with one.delivering():
        settled(one, "crm", 300)

    assert partner.counts("/crm") == Counter(sent)


def test_a_failing_partner_never_counts_as_delivered(embedded_stage: Staging, partner: Partner) -> None:
    """It gets its attempts; then the events are in its dead letters, whole."""
    partner.faults(crm=[{"kind": "status", "status": 503}])
    delivery = {"retry": {"budget": "300ms", "first": "10ms", "longest": "50ms"}, "concurrency": 20}
    one = embedded_stage({"crm": partner.webhook("/crm", delivery=delivery)})
    sent = one.send("crm", 40)
    with one.delivering():
        settled(one, "crm", 0, 40)

    assert partner.names("/crm") == []
    assert partner.requests("/crm") >= 40
    assert sorted(orjson.loads(message.value() or b"")["messageId"] for message in one.dead("crm")) == sorted(sent)
    assert {entry["code"] for entry in one.log() if entry["outcome"] == "dead"} == {"errors.discarded.503"}


def test_a_bad_partner_does_not_slow_another(best_stage: Staging, partner: Partner) -> None:
    """One hangs, one refuses connections, one says 500: the good one gets everything meanwhile."""
    partner.faults(hangs=[{"kind": "slow", "seconds": 600}], errs=[{"kind": "status", "status": 500}])
    nobody = {"type": "webhook", "settings": {"url": "http://127.0.0.1:1/", "allow_private": True}}
    one = best_stage(
        {
            "hangs": partner.webhook("/hangs", delivery={"timeout": "2s"}),
            "errs": partner.webhook("/errs"),
            "nobody": nobody,
            "good": partner.webhook("/good"),
        }
    )
    for name in ("hangs", "errs", "nobody"):
        one.send(name, 200)
    sent = one.send("good", 1000)
    with one.delivering():
        settled(one, "good", 1000)

    assert partner.counts("/good") == Counter(sent)
    assert [one.totals(name)[0] for name in ("hangs", "errs", "nobody")] == [0, 0, 0]


def test_a_dead_letter_is_the_event_as_it_was_with_the_reason(embedded_stage: Staging, partner: Partner) -> None:
    """Bytes, key and the producers' own headers untouched; code, stage, attempts and origin added."""
    partner.faults(crm=[{"kind": "poison", "status": 422}])
    one = embedded_stage({"crm": partner.webhook("/crm")})
    one.send("crm", 10)
    bad = b'{ "type":"track","event":"Order Completed",  "messageId":"bad", "poison":true }'
    one.put("crm", bad, b"p-bad", [("traceparent", b"00-ab-cd-01"), ("error-code", b"old")])
    one.put("crm", b"no JSON at all \xff", b"p-bad")
    one.put("crm", None, None)
    one.send("crm", 10)
    with one.delivering():
        settled(one, "crm", 20, 3)

    letters = {message.value(): message for message in one.dead("crm")}
    assert set(letters) == {bad, b"no JSON at all \xff", None}
    headers = dict(letters[bad].headers() or [])
    topic = one.topics.destination("crm")
    place = {message.value(): (message.partition(), message.offset()) for message in one.read(topic)}
    assert letters[bad].key() == b"p-bad"
    assert headers == {
        "source": b"web", "type": b"track", "event": b"Order Completed", "traceparent": b"00-ab-cd-01",
        "error-code": b"422", "error-stage": b"deliver", "attempts": b"1",
        "origin": "{}:{}:{}".format(topic, *place[bad]).encode(), "partner-answer": b"422\n\nno",
    }  # fmt: skip
    assert letters[bad].partition() == place[bad][0]
    broken = dict(letters[b"no JSON at all \xff"].headers() or [])
    assert (broken["error-code"], broken["error-stage"], broken["attempts"]) == (b"MESSAGE_REJECTED", b"read", b"0")


def test_one_bad_event_in_a_batch_does_not_condemn_its_neighbours(embedded_stage: Staging, partner: Partner) -> None:
    """The partner answers 400 to the whole request."""
    partner.faults(crm=[{"kind": "poison", "status": 400}])
    one = embedded_stage({"crm": partner.webhook("/crm", delivery={"batch": {"count": 40, "age": "50ms"}})})
    good = one.send("crm", 60)
    bad = one.send("crm", 1, poison=True)
    good += one.send("crm", 60)
    with one.delivering():
        settled(one, "crm", 120, 1)

    assert partner.counts("/crm") == Counter(good)
    assert [orjson.loads(letter.value() or b"")["messageId"] for letter in one.dead("crm")] == bad


def test_samples_show_what_was_said_and_hide_what_is_masked(embedded_stage: Staging, partner: Partner) -> None:
    """The event, our request, their response; neither secrets nor masked fields in any of them."""
    partner.faults(crm=[{"kind": "status", "status": 400}])
    settings = {"secret": "hush-hush", "headers": {"Authorization": "Bearer hush-hush"}}
    one = embedded_stage({"crm": partner.webhook("/crm", settings=settings)}, mask=["email"])
    one.send("crm", 5, traits={"email": "ada@example.com", "plan": "pro"})
    with one.delivering():
        settled(one, "crm", 0, 5)

    entries = [entry for entry in one.log() if entry["outcome"] == "dead"]
    samples = [one_sample for entry in entries for one_sample in entry["samples"]]
    assert 1 <= len(samples) <= 3 * len(entries)
    assert samples[0]["event"]["traits"] == {"email": "***", "plan": "pro"}
    assert samples[0]["request"].startswith(f"POST {partner.url}/…")
    assert samples[0]["response"] == "400\n\nno"
    assert "ada@" not in str(samples)
    assert "hush" not in str(samples)


def test_order_is_kept_per_profile_while_requests_fail(embedded_stage: Staging, partner: Partner) -> None:
    """`order: profile`: each profile's first receipts come in the order of the topic."""
    partner.faults(crm=[{"kind": "status", "status": 500, "share": 0.2}, {"kind": "close", "share": 0.1}])
    delivery = {"order": "profile", "retry": {"first": "5ms", "longest": "20ms"}}
    one = embedded_stage({"crm": partner.webhook("/crm", delivery=delivery)})
    one.send("crm", 300, profiles=9)
    with one.delivering():
        settled(one, "crm", 300)

    seen: dict[str, list[int]] = {}
    for receipt in partner.receipts("/crm"):
        seen.setdefault(receipt["profileId"], []).append(receipt["seq"])
    assert all(order == sorted(order) for order in seen.values())
    assert sum(map(len, seen.values())) == 300


def test_a_partner_that_refuses_us_pauses_its_destination_until_it_no_longer_does(
    best_stage: Staging, partner: Partner
) -> None:
    """401: nothing is dropped, the metric says so, and everything comes once the configuration is right."""
    partner.faults(crm=[{"kind": "status", "status": 401}])
    one = best_stage({"crm": partner.webhook("/crm", delivery=QUICK), "other": partner.webhook("/other")})
    sent = one.send("crm", 50)
    one.send("other", 50)
    with one.delivering() as health:
        settled(one, "other", 50)
        eventually(lambda: sample("router_delivery_paused", destination="crm", reason="refused") == 1, "pause")
        assert one.totals("crm") == (0, 0)
        assert health.liveness().ok
        partner.faults()
        settled(one, "crm", 50)
        assert sample("router_delivery_paused", destination="crm", reason="refused") == 0

    assert partner.counts("/crm") == Counter(sent)
    assert one.dead("crm") == []


def test_what_waits_for_a_partner_that_is_down_waits_in_kafka(best_stage: Staging, partner: Partner) -> None:
    """Memory is bounded; when the partner is back, everything is delivered."""
    partner.faults(crm=[{"kind": "status", "status": 503}])
    one = best_stage({"crm": partner.webhook("/crm", delivery={"retry": {"first": "20ms", "longest": "300ms"}})})
    sent = one.send("crm", 6000)
    with one.delivering() as health:
        eventually(lambda: sample("router_delivery_paused", destination="crm", reason="down") == 1, "pause")
        eventually(lambda: sample("router_delivery_lag_messages", destination="crm") > 0, "lag")
        assert 0 < sample("router_delivery_pending", destination="crm") <= 2100
        assert health.liveness().ok
        partner.faults()
        settled(one, "crm", 6000)

    assert partner.counts("/crm") == Counter(sent)


def test_too_many_requests_slow_down_what_is_sent(embedded_stage: Staging, partner: Partner) -> None:
    """429 with Retry-After: nothing is lost, and the wait is respected."""
    partner.faults(crm=[{"kind": "status", "status": 429, "retry_after": "1", "times": 2}])
    one = embedded_stage({"crm": partner.webhook("/crm", delivery=QUICK | {"concurrency": 1})})
    sent = one.send("crm", 30)
    began = time.time()
    with one.delivering():
        settled(one, "crm", 30)

    assert partner.counts("/crm") == Counter(sent)
    assert min(receipt["at"] for receipt in partner.receipts("/crm")) >= began + 2


def test_a_private_address_is_never_connected_to_unless_allowed(embedded_stage: Staging, partner: Partner) -> None:
    """The destination pauses instead; the port behind sees no request."""
    one = embedded_stage({"crm": partner.webhook("/crm", settings={"allow_private": False})})
    one.send("crm", 5)
    with one.delivering():
        eventually(lambda: sample("router_delivery_paused", destination="crm", reason="refused") == 1, "pause")

    assert partner.requests("/crm") == 0
    assert one.totals("crm") == (0, 0)


def test_an_archive_gets_every_event(embedded_stage: Staging, partner: Partner) -> None:
    """The file destination, beside a webhook."""
    one = embedded_stage({"lake": {"type": "file", "settings": {"path": "lake", "gzip": False}}})
    sent = one.send("lake", 2000)
    with one.delivering():
        settled(one, "lake", 2000)

    lines = [line for path in (one.folder / "lake").glob("*.ndjson") for line in path.read_bytes().splitlines()]
    assert Counter(orjson.loads(line)["messageId"] for line in lines) == Counter(sent)


def test_only_the_named_destinations_are_delivered(embedded_stage: Staging, partner: Partner) -> None:
    """`--destination`: the others are another process's."""
    one = embedded_stage({"crm": partner.webhook("/crm"), "ads": partner.webhook("/ads")})
    one.send("crm", 5)
    one.send("ads", 5)
    with one.delivering(["ads"]):
        settled(one, "ads", 5)

    assert partner.names("/crm") == []


def test_an_unknown_destination_is_a_wrong_command_line(embedded_stage: Staging, partner: Partner) -> None:
    """The nearest name is told."""
    one = embedded_stage({"crm": partner.webhook("/crm")})

    with pytest.raises(UsageError, match=r"got crn \(did you mean crm\?\)"), one.delivering(["crn"]):
        pass


def test_without_its_topics_delivery_ends_with_status_three(kafka_stage: Staging, partner: Partner) -> None:
    """A part outside is not there; the text says how to make it."""
    one = kafka_stage({"crm": partner.webhook("/crm")})
    one.file.write_text(one.file.read_text().replace("prefix: ", "prefix: no-"))
    with one.process() as process:
        assert process.process.wait(300) == 3
        assert "router topics apply" in process.log.read_text()


def test_the_metrics_alone_account_for_every_event(stage: Staging, partner: Partner) -> None:
    """taken = delivered + dead + pending, as one process shows it."""
    partner.faults(crm=[{"kind": "poison", "status": 400}])
    one = stage({"crm": partner.webhook("/crm")})
    one.send("crm", 90)
    one.send("crm", 10, poison=True)
    with one.process() as process:
        wanted: dict[str, float] = {"delivered_total": 90, "dead_total": 10, "pending": 0, "lag_messages": 0}

        def shown() -> bool:
            page: Any = process.metrics()
            return all(page.get((f"router_delivery_{name}", "crm")) == value for name, value in wanted.items())

        eventually(shown, "metrics that add up")
        page = process.metrics()
        assert page["router_delivery_discarded_total", "crm"] == 10
        assert page["router_end_to_end_seconds_count", "crm"] == 90
        assert process.stop() == 0


def test_the_command_tells_its_options() -> None:
    """`router deliver --help`."""
    shown = subprocess.run(
        [sys.executable, "-m", "router", "deliver", "--help"], capture_output=True, text=True, check=True
    )

    assert "--destination" in shown.stdout
