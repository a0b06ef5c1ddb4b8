"""A module of a team's own, for tests: what it does with an event, the event's name says."""

from __future__ import annotations

from pathlib import Path

from router.transform.function import OwnFunction, find_function

SOURCE = """
import os
import time

seen = 0


def event(event):
    global seen
    seen += 1
    name = event.get("event")
    print("a line on standard output", event)
    if name == "Drop":
        return None
    if name == "Fail":
        raise ValueError(event["userId"])
    if name == "Exit":
        os._exit(3)
    if name == "Leave":
        raise SystemExit(0)
    if name == "Loop":
        while True:
            pass
    if name == "Sleep":
        time.sleep(3600)
    if name == "Memory":
        return {**event, "properties": {"x": "a" * (4 << 30)}}
    if name == "Large":
        return {**event, "properties": {"x": "a" * (8 << 20)}}
    if name == "Cycle":
        event["self"] = event
    if name == "Set":
        event["set"] = {1}
    if name == "Text":
        return "an event"
    if name == "Nothing":
        return {"type": "nothing"}
    if name == "Two":
        return [event, {**event, "event": "Second"}]
    if name == "Each":
        return (dict(event, event=f"Each {n}", messageId=f"own-{n}") for n in range(3))
    if name == "Seen":
        event["properties"] = {"seen": seen}
    if name == "Order":
        event["properties"] = {"total": 10**30, "of": event["userId"]}
    return event


async def later(event):
    return event
"""


def module(folder: Path, source: str = SOURCE) -> str:
    """Writes `acme/clean.py` and names its function."""
    (folder / "acme").mkdir(exist_ok=True)
    (folder / "acme/clean.py").write_text(source)
    return "acme.clean:event"


def function(folder: Path, source: str = SOURCE) -> OwnFunction:
    return find_function(module(folder, source), [folder])
