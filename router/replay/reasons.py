"""Why a partner did not get an event, in words, with what to do. The one table: for commands and for ops/runbook.md."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """`codes` as an operator writes them; `pattern` matches the `error-code` of a dead letter whole."""

    codes: str
    pattern: str
    words: str
    advice: str


# The first that matches counts.
REASONS = (
    Reason(
        "MESSAGE_REJECTED", "MESSAGE_REJECTED", "the message is not a JSON object",
        "find out who else writes to the destination's topic; it cannot be delivered: purge it",
    ),
    Reason(
        "MAPPING_FAILED", "MAPPING_FAILED", "the destination's mapping made no request of the event",
        "correct the mapping in the topology, then redrive",
    ),
    Reason(
        "400, 422", "400|422", "the partner rejects the data",
        "read its answer with `router dlq show`; correct the mapping, the tracking plan or the producer, then redrive",
    ),
    Reason(
        "401, 403", "401|403", "the partner refuses the credentials, or this one event under them",
        "correct the secret or its permissions, then redrive",
    ),
    Reason(
        "404, 405, 410", "404|405|410", "the address does not exist, or no longer",
        "correct the URL or the resource's name in the topology, then redrive",
    ),
    Reason("409", "409", "the partner says that it conflicts with what it has", "look at both sides before a redrive"),
    Reason(
        "413, 414, 431", "413|414|431", "the event is too large for the partner",
        "send fewer fields with the mapping, then redrive",
    ),
    Reason(
        "429", "429", "the partner took fewer requests than were sent for the whole retry budget",
        "set `delivery.rate` to what the partner allows, then redrive with `--rate`",
    ),
    Reason(
        "THROTTLED", "THROTTLED",
        "the partner took no more events of this one person or device for the whole retry budget",
        "look for a client that sends too much, then redrive",
    ),
    Reason(
        "408, 425, 5xx", "408|425|5[0-9][0-9]", "the partner failed for the whole retry budget",
        "wait until the partner is well, then redrive",
    ),
    Reason(
        "3xx", "3[0-9][0-9]", "the partner sent us to another address, which is not followed",
        "set the final URL in the topology, then redrive",
    ),
    Reason(
        "other 4xx", "4[0-9][0-9]", "the partner refuses the event",
        "read its answer with `router dlq show`; correct what it names, then redrive",
    ),
    Reason(
        "ENOTFOUND, EAI_AGAIN", "ENOTFOUND|EAI_AGAIN", "the partner's host name could not be resolved",
        "correct the URL, or the name server, then redrive",
    ),
    Reason(
        "ETLS", "ETLS", "no secure connection: the partner's certificate was not accepted",
        "have the certificate renewed, or add its authority to the machine's, then redrive",
    ),
    Reason(
        "ECONNREFUSED, ECONNRESET, ECONNABORTED, EHOSTUNREACH, ENETUNREACH, EPIPE, ETIMEDOUT",
        "ECONNREFUSED|ECONNRESET|ECONNABORTED|EHOSTUNREACH|ENETUNREACH|EPIPE|ETIMEDOUT",
        "the partner could not be reached, or did not answer in time, for the whole retry budget",
        "wait until it answers, or correct the URL or the firewall, then redrive",
    ),
    Reason(
        "EPROTO", "EPROTO", "what answered does not speak HTTP as it should",
        "check what stands at the URL, then redrive",
    ),
    Reason(
        "EINTERNAL", "EINTERNAL", "the connector itself failed",
        "report the error in the log of `router deliver`; redrive with the version that corrects it",
    ),
    Reason(
        "other E…", "E[A-Z0-9]+", "the operating system refused the delivery: disk, files or network",
        "put right what the code names (ENOSPC: the disk is full), then redrive",
    ),
    Reason(
        "any other", ".*", "a reason of the connector",
        "read the event and the answer with `router dlq show`; the connector's page names its reasons",
    ),
)  # fmt: skip
_PATTERNS = [(re.compile(reason.pattern), reason) for reason in REASONS]


def reason_of(code: str) -> Reason:
    """The reason of an `error-code`, whatever it holds."""
    return next((reason for pattern, reason in _PATTERNS if pattern.fullmatch(code)), REASONS[-1])


def page() -> str:
    """The table in Markdown, as ops/runbook.md has it."""
    rows = [f"| {reason.codes} | {reason.words} | {reason.advice} |" for reason in REASONS]
    return "\n".join(["| `error-code` | Means | Do |", "| --- | --- | --- |", *rows])
