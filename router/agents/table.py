"""What the agents declare, in one table: totals, metrics, status and docs of the pipeline are made of it."""

from __future__ import annotations

from collections.abc import Iterable

from router.agents.agent import Agent, Ending
from router.agents.pipeline import AGENTS
from router.metrics import PartitionTotals


def endings(agents: Iterable[type[Agent]] = AGENTS) -> tuple[Ending, ...]:
    """How events end, in the order of the agents; received is the sum of these."""
    return tuple(agent.ending for agent in agents if agent.ending is not None)


def reasons(agents: Iterable[type[Agent]] = AGENTS) -> dict[str, str]:
    """Every value of a label `reason` of the pipeline's metrics, with a text for people."""
    return {reason: text for agent in agents for reason, text in agent.reasons.items()}


def families(agents: Iterable[type[Agent]] = AGENTS) -> dict[str, str]:
    """The totals of a partition: metric names, each with its help."""
    received = {"router_events_received": "Events read from the source topics"}
    return received | {f"router_events_{ending.name}": ending.text for ending in endings(agents)}


ENDINGS = endings()
REASONS = reasons()
ROUTE_TOTALS = PartitionTotals(families(), ("topic", "partition"))
