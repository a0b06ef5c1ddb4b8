"""Topics and headers in words, for people who read or write them. The names are made elsewhere; tests compare."""

from __future__ import annotations

from typing import NamedTuple

from router.events.records import FIRST_ORIGIN, REDRIVEN, REPLAY

MEANINGS = {
    "events.raw": "What comes in: a JSON event, events on a line each, or a Segment batch body",
    "events.keyed": "Events on their way to another partition or source, where producers set no key, or the wrong one",
    "events.resolved": "The clean stream: each accepted event once, with its `profileId`",
    "events.blocked": "Events that broke their plan or a rule of their source: whole, with the reasons",
    "events.invalid": "Messages that are not acceptable as events: their bytes as they came, with the reason",
    "events.violations": "Violations of a plan, without the value: a record for each; beyond ten of the same in a "
    "second, one for all of a batch. Its `count` says how many violations a record stands for",
    "<topology>.dedupe-changelog": "What the window of message ids is rebuilt from; binary",
    "identity.links": "Which identifiers belong together, in one order for all",
    "identity.merges": "Profiles that became one",
    "delivery.log": "What became of events at partners: a record for each outcome, code and source",
    "<topology>.redrives": "Which dead letters `router dlq redrive` has sent once more",
    "<topology>.replays": "What each `router replay` was asked for, and how far it is",
    "<topology>.imports": "How far each file of `router import` has come",
    "<topology>.pulls": "Which rows `router pull` has sent, by source, as hashes, and how far its cursors are",
    "<topology>.control": "Destinations that are paused by hand",
    "<topology>.audit": "What people did in the web console: who, what, to what, why, and how it ended",
    "dest.<name>": "Events to be delivered to a destination",
    "dest.<name>.retry": "The retry lane: events that failed while others were accepted, until they are tried again",
    "dest.<name>.caps": "Who was sent what within the time of `delivery.cap`; only with one",
    "dest.<name>.dead": "Dead letters: events given up, exactly as they were, with the reason",
    "event-router.owners": "Which topology each topic belongs to",
}
"""What lies in each topic, by its name without `topics.prefix`."""

_RETRY, _DEAD = "dest.<name>.retry", "dest.<name>.dead"
_IN, _OUT = ("events.raw",), ("events.resolved", "events.blocked", "dest.<name>", _RETRY, _DEAD)
_FAILED = ("events.blocked", "events.invalid", _RETRY, _DEAD)

_SAID = " Of a destination's topics only where it gets a body of its own: elsewhere the body says it"


class Header(NamedTuple):
    """A header of ours. Values are UTF-8, numbers decimal."""

    name: str
    topics: tuple[str, ...]
    meaning: str


HEADERS = (
    Header("write-key", _IN, "Key of the source, where the topic itself does not say which; the gateway sets it"),
    Header(
        "received-at",
        (*_IN, "events.keyed", "events.invalid"),
        "When the gateway, `router send` or the broker took it: milliseconds since 1970",
    ),
    Header("source", ("events.keyed", *_OUT, "events.invalid"), "Name of the source; of an invalid one, where known"),
    Header("type", _OUT, "Call type: identify, track, page, screen, group, alias." + _SAID),
    Header("event", _OUT, "Name of a track event; else empty." + _SAID),
    Header("error-code", _FAILED, "Why: `blocked`, a reason in words, or a code such as `EVENT_REJECTED`"),
    Header("error-stage", _FAILED, "Where: the agent's name, or `read` or `deliver` of delivery"),
    Header("origin", ("events.keyed", "events.invalid", _RETRY, _DEAD), "Its place before, topic:partition:offset"),
    Header("violations", ("events.blocked",), "JSON: class, type, path and message of each violation"),
    Header("plan", ("events.blocked",), "The tracking plan and its revision"),
    Header("attempts", (_RETRY, _DEAD), "How often it was tried"),
    Header("parked-at", (_RETRY,), "When it was put there: milliseconds since 1970"),
    Header(
        "retry-at", (_RETRY,), "When it is to be tried again: milliseconds since 1970; 0 behind another of its profile"
    ),
    Header(
        "retry-until", (_RETRY,), "When its attempts end: milliseconds since 1970; none while that time does not run"
    ),
    Header("retry-left", (_RETRY,), "While the partner wants us to wait: milliseconds for attempts after that"),
    Header("partner-answer", (_DEAD,), "What the partner said, masked, at most 1,000 characters"),
    Header("length", ("events.invalid", _DEAD), "Bytes of what was too large: its first 64 KiB are kept"),
    Header(REDRIVEN, ("dest.<name>", _RETRY), "Place of the dead letter that it was"),
    Header(FIRST_ORIGIN, ("dest.<name>", _RETRY), "Of a redriven event: its place when it was first to be delivered"),
    Header(REPLAY, ("dest.<name>", _RETRY), "Id of the replay that sent it once more"),
)
"""Every header that the router reads or writes. Others of a producer, such as `traceparent`, pass through to `_OUT`."""
