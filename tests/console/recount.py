"""What pages should say, counted anew from the topics, and what they do say, read from their HTML."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from confluent_kafka import Consumer, TopicPartition

from router.config.models import Topology
from router.config.topics import topics_of
from router.events.records import REDRIVEN
from router.kafka import clients
from router.kafka.admin import Admin
from router.kafka.cluster import Cluster
from tests.brokers.messages import to_the_end

Row = tuple[str, ...]
_MONTH = re.compile(r"[A-Z][a-z]{2} \d{4}")
_VIOLATION = r"<strong>([^<]+)</strong> <code>([^<]+)</code>.*[ >](\w+): (\d+) blocked, (\d+) let .*>(\d+)</strong>"


@dataclass
class Written:
    """A record of a topic; `place` is topic:partition:offset."""

    place: str
    key: bytes | None
    body: Any  # None for what is no JSON
    headers: dict[str, str]


@dataclass
class Recount:
    """Nothing in here is taken from a counter of the router: each number is a number of records, or of their fields."""

    received: int = 0
    invalid: int = 0
    blocked: int = 0
    duplicates: int = 0
    resolved: int = 0
    routed: Counter[str] = field(default_factory=Counter)  # with those redriven, by destination
    redriven: Counter[str] = field(default_factory=Counter)  # dead letters
    dead: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, Counter[str]] = field(default_factory=dict)  # dead letters not redriven, by code
    outcomes: dict[str, Counter[Row]] = field(default_factory=dict)  # of the delivery log, by (outcome, code)
    events: dict[Row, Counter[str]] = field(default_factory=dict)  # by source and name: resolved, blocked, violations
    people: dict[Row, set[bytes]] = field(default_factory=dict)
    violations: Counter[Row] = field(default_factory=Counter)  # by source, event or rule, path

    @property
    def settled(self) -> bool:
        """Whether every delivery has ended."""
        ended = {name: self.delivered(name) + self.dead[name] for name in self.routed}
        return self.resolved > 0 and ended == dict(self.routed)

    def delivered(self, destination: str) -> int:
        return self._ended(destination, "delivered", "unconfirmed")

    def not_delivered(self, destination: str) -> int:
        return self._ended(destination, "retry", "refused", "dead")

    def _ended(self, destination: str, *outcomes: str) -> int:
        found = self.outcomes.get(destination, Counter())
        return sum(count for (outcome, _), count in found.items() if outcome in outcomes)


def recount(cluster: Cluster, topology: Topology) -> Recount:
    """Of a topology whose topics have one partition each."""
    topics, made = topics_of(topology), Recount()
    seen: set[tuple[str, str]] = set()
    for one in written(cluster, topics.raw):
        made.received += 1
        if isinstance(one.body, dict):
            known = str(one.body.get("userId")), str(one.body["messageId"])
            made.duplicates += known in seen
            seen.add(known)
    for name, column in ((topics.resolved, "resolved"), (topics.blocked, "blocked"), (topics.invalid, "invalid")):
        for one in written(cluster, name):
            setattr(made, column, getattr(made, column) + 1)
            row = one.headers.get("source", ""), one.headers.get("event", "")
            made.events.setdefault(row, Counter())[column] += 1
            if column == "resolved":
                assert one.key is not None
                made.people.setdefault(row, set()).add(one.key)
    for one in written(cluster, topics.violations):
        row = one.body["source"], one.body["event"]
        count = one.body.get("count", 1)  # of one kind in one second a record may stand for many
        made.events.setdefault(row, Counter())["violations"] += count
        made.violations[one.body["source"], one.body["event"] or one.body["rule"], one.body["path"]] += count
    for name in topology.destinations:
        again = set()
        for one in written(cluster, topics.destination(name)):
            made.routed[name] += 1
            again.add(one.headers.get(REDRIVEN))
        for one in written(cluster, topics.dead(name)):
            made.dead[name] += 1
            if one.place in again:
                made.redriven[name] += 1
            else:
                made.waiting.setdefault(name, Counter())[one.headers["error-code"]] += 1
    for one in written(cluster, topics.delivery_log):
        found = made.outcomes.setdefault(one.body["destination"], Counter())
        found[one.body["outcome"], one.body["code"]] += one.body["count"]
    return made


def written(cluster: Cluster, topic: str) -> Iterator[Written]:
    """All records of a topic with one partition, from its beginning; none where it is not there."""
    if topic not in Admin(cluster).topics():
        return
    reader = Consumer(clients.reader(cluster))
    reader.assign([TopicPartition(topic, 0, 0)])
    try:
        for message in to_the_end(reader):
            raw = cast("list[tuple[str, bytes | None]]", message.headers() or [])
            headers = {name: (value or b"").decode() for name, value in raw}
            place = f"{topic}:{message.partition()}:{message.offset()}"
            yield Written(place, message.key(), _json(message.value() or b""), headers)
    finally:
        reader.close()


def _json(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


# What pages say


class Said(NamedTuple):
    """`people` are an estimate and its stated error, by event."""

    numbers: dict[str, Any]
    people: dict[str, tuple[int, float]]


def said(pages: Sequence[str], rule: str) -> Said:
    """Of the overview, a source, a destination with its dead letters and its filters, the plans, and usage of two
    months; `rule` is one.
    """
    first, source, destination, letters, filtered, plans, usage = pages
    funnel = {title: count for title, count in boxes(first).items() if title != "Not sent"}
    table, schema = rows(first, "Destinations, trouble first"), rows(source, "Events by name")
    numbers = {
        "funnel": funnel,
        "destinations": {
            name.partition(" ")[0]: [whole(row[label]) for label in ("Delivered", "Not delivered", "Pending")]
            for name, row in table.items()
        },
        "source": boxes(source),
        "schema": {
            name: [whole(row[label]) for label in ("Events", "Blocked", "Invalid", "Violations")]
            for name, row in schema.items()
        },
        "destination": boxes(destination),
        "errors": sorted(int(one) for one in re.findall(r'</span> <strong class="n">([\d,]+)</strong>', destination)),
        "letters": re.findall(r"<span>(\d+) dead letters?, (\d+) not redriven", letters),
        "codes": {code: int(count) for code, count in re.findall(r"<option[^>]*>([\w.]+) \((\d+)\)", letters)},
        "filter": rows(filtered, "Rules in their order").get(rule, {}).get("Of the newest", ""),
        "violations": violations(plans),
        "usage": {
            name: sum(
                whole(count)
                for label, count in row.items()
                if count != "–" and (label == "Events" or _MONTH.fullmatch(label))
            )
            for name, row in rows(usage, "Events by source").items()
        },
    }  # fmt: skip
    estimates = {name: re.search(r"±([\d.]+) %.* ≈ ([\d,]+)", row["People"]) for name, row in schema.items()}
    return Said(numbers, {name: (whole(one[2]), float(one[1]) / 100) for name, one in estimates.items() if one})


def wanted_of(counted: Recount, source: str, destination: str, filtered: str) -> dict[str, Any]:
    """The same, as counted; `filtered` is the event that the destination's first filter drops."""
    own = {name: kinds for (of, name), kinds in counted.events.items() if of == source}
    kinds = sum(own.values(), Counter[str]())
    routed, dead, names = sum(counted.routed.values()), sum(counted.dead.values()), list(counted.routed)
    delivered = sum(map(counted.delivered, names))
    failed = {
        key: count for key, count in counted.outcomes.get(destination, Counter()).items() if key[0] in ("retry", "dead")
    }
    left = counted.dead[destination] - counted.redriven[destination]
    usage: Counter[str] = Counter()
    for (of, _), one in counted.events.items():
        usage[of or "no known source"] += one["resolved"] + one["blocked"] + one["invalid"]
    return {
        "funnel": {
            "Received": counted.received, "Invalid": counted.invalid, "Duplicates": counted.duplicates,
            "Blocked": counted.blocked, "Resolved": counted.resolved, "Routed": routed, "Delivered": delivered,
            "Dead": dead, "Pending now": routed - delivered - dead,
        },
        "destinations": {name: [counted.delivered(name), counted.not_delivered(name), 0] for name in names},
        "source": {
            "Events": kinds["resolved"] + kinds["blocked"] + kinds["invalid"], "Blocked": kinds["blocked"],
            "Invalid": kinds["invalid"], "Violations": kinds["violations"],
        },
        "schema": {
            name: [one["resolved"] + one["blocked"] + one["invalid"], one["blocked"], one["invalid"], one["violations"]]
            for name, one in own.items()
        },
        "destination": {
            "Delivered": counted.delivered(destination), "Not delivered": counted.not_delivered(destination),
            "Pending now": 0,
        },
        "errors": sorted(failed.values()),
        "letters": [(str(counted.dead[destination]), str(left))],
        "codes": counted.waiting.get(destination, Counter()),
        "filter": str(own.get(filtered, Counter())["resolved"]),
        "violations": counted.violations,
        "usage": +usage,
    }  # fmt: skip


def violations(page: str) -> Counter[Row]:
    """By source, event or rule, and path."""
    found: Counter[Row] = Counter()
    for summary in re.findall(r'<details class="error".*?<summary>(.*?)</summary>', page, re.S):
        parts = re.search(_VIOLATION, summary)
        assert parts is not None, summary
        name, path, source, blocked, allowed, count = parts.groups()
        assert int(blocked) + int(allowed) == int(count)
        found[source, name, "" if path == "(root)" else path] += int(count)
    return found


def boxes(page: str) -> dict[str, int]:
    """Figures by their titles."""
    found = re.findall(r'<span class="what">([^<]+)</span>\s*<strong[^>]*title="([\d,]+)"', page)
    return {title: whole(count) for title, count in found}


def rows(page: str, caption: str) -> dict[str, dict[str, str]]:
    """A table's cells by their rows' heads and their labels, as text; empty where it is not there yet."""
    table = re.search(rf"<caption[^>]*>{re.escape(caption)}.*?</table>", page, re.S)
    found = {}
    for row in re.findall(r"<tr data-row>(.*?)</tr>", table[0] if table else "", re.S):
        head = re.search(r'<th scope="row">(.*?)</th>', row, re.S)
        assert head is not None
        cells = re.findall(r'<td[^>]*data-label="([^"]+)"[^>]*>(.*?)</td>', row, re.S)
        found[text(head[1])] = {label: text(cell) for label, cell in cells}
    return found


def text(markup: str) -> str:
    """Without markup; what stands in a title takes the place of its short form."""
    exact = re.sub(r'<span class="[^"]*" title="([\d,]+)">[^<]*</span>', r"\1", markup)
    exact = re.sub(r'<span title="(±[^"]*)">', r"\1 ", exact)
    plain = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", exact, flags=re.S)
    return re.sub(r"\s+", " ", plain).strip()


def whole(number: str) -> int:
    """`1,234` as a number."""
    return int(number.replace(",", ""))
