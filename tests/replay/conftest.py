"""Dead letters of a destination on a broker, and the command line that looks after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.cli.conftest import line
from tests.cli.lines import Ended, Line
from tests.delivery.conftest import best_stage, embedded_stage, kafka_stage, partner, stage
from tests.delivery.stage import Stage

__all__ = ["best_stage", "embedded_stage", "kafka_stage", "line", "partner", "stage"]

Command = Callable[..., Ended]
AT = 1_767_225_600_000  # 2026-01-01: for the embedded broker only, since Kafka deletes what is older than its retention


@pytest.fixture
def dlq(line: Line) -> Command:
    """`dlq(stage, "list", …)` on the stage's topology and broker."""

    def run(one: Stage, *arguments: object) -> Ended:
        return line("dlq", *arguments, "--topology", one.file, "--bootstrap", one.cluster.bootstrap)

    return run


def put_letter(
    one: Stage,
    destination: str,
    number: int,
    *,
    code: str = "400",
    at: int = AT,
    value: bytes | None = None,
    **body: Any,
) -> None:
    """A dead letter as delivery writes it, not yet flushed; `m<number>` of profile `p<number % 5>`."""
    content = {"type": "track", "event": "Order Completed", "messageId": f"m{number}", "userId": "u1"} | body
    origin = f"{one.topics.destination(destination)}:0:{number}"
    named = {
        "source": "web", "type": "track", "event": str(content["event"]), "error-code": code,
        "error-stage": "deliver", "attempts": "1", "origin": origin,
    }  # fmt: skip
    headers = [(name, text.encode()) for name, text in named.items()]
    raw = orjson.dumps(content) if value is None else value
    one.produce(one.topics.dead(destination), raw, f"p{number % 5}".encode(), headers, at)
