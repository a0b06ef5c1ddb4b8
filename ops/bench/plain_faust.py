"""The bench's job as a plain Faust app, the way Faust's documentation teaches it: an agent, tables, `topic.send`.

usage: python -m ops.bench.plain_faust BOOTSTRAP GROUP SOURCE TARGET…

It validates, drops repeats by a windowed table, links devices to users by a second one and writes to each TARGET; what
breaks the plan goes to GROUP.blocked. What is not set is Faust's default: at least once, a commit each 2.8 s. Tables
are in RocksDB, as Faust advises for production, and entries are written as the event is read. Sends are not waited
for one by one, since Faust flushes them before a commit. The web server is off.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import faust
import yaml
from jsonschema_rs import Draft7Validator

HERE = Path(__file__).parent
PARTITIONS = 12
DAY = timedelta(hours=24)


def validators() -> dict[str, Draft7Validator]:
    """A schema for each event of the bench's plan."""
    rules = [yaml.safe_load(path.read_text()) for path in (HERE / "plan" / "events").glob("*.yaml")]
    return {rule["event"]: Draft7Validator(rule["properties"]) for rule in rules}


def make(bootstrap: str, group: str, source: str, targets: list[str], folder: str) -> Any:
    """The app. Its topics are there, in as many partitions as SOURCE has."""
    app: Any = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="rocksdb://",
        datadir=folder,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_enabled=False,
    )
    raw = app.topic(source, key_type=bytes, key_serializer="raw", value_serializer="json")
    outputs = [app.topic(name, key_type=bytes, key_serializer="raw", value_serializer="json") for name in targets]
    blocked = app.topic(f"{group}.blocked", key_type=bytes, key_serializer="raw", value_serializer="json")
    seen = app.Table("seen", default=int).tumbling(DAY, expires=DAY)
    users = app.Table("users", default=str)
    rules = validators()

    async def route(stream: Any) -> AsyncIterator[None]:
        async for key, event in stream.items():
            rule = rules.get(event.get("event"))
            if rule is not None and not rule.is_valid(event.get("properties")):
                await blocked.send(key=key, value=event)
            elif not seen[event["messageId"]].current():
                seen[event["messageId"]] = 1
                device, user = event.get("anonymousId"), event.get("userId")
                if device and user and users[device] != user:
                    users[device] = user
                event["profileId"] = (device and users[device]) or user or device
                headers = {"source": b"web", "type": event["type"].encode(), "event": event.get("event", "").encode()}
                for topic in outputs:
                    await topic.send(key=event["profileId"].encode(), value=event, headers=headers)
            yield

    app.agent(raw)(route)
    return app


def main(bootstrap: str, group: str, source: str, *targets: str) -> None:
    """Run it until a signal comes."""
    with tempfile.TemporaryDirectory(prefix="plain-faust-") as folder:
        app = make(bootstrap, group, source, list(targets), folder)
        app.finalize()
        app.Worker(loglevel="warning", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
