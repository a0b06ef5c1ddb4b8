"""Requests of the libraries of ten languages, byte by byte, against the handler: six calls of each come out whole.

`library_requests.ndjson` has them. Those `recorded` were made by the library itself, of the version in its name, and
passed to a gateway, whose answer it took for success: six calls for the user u1, as in sdk_programs.py. Those `written`
follow the library's source; nothing here runs it.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from router.agents.agent import Setup
from router.agents.pipeline import Pipeline
from router.config.loader import Loaded
from router.config.models import GatewayConfig, SourceConfig, Topology
from router.dedupe.window_memory import MemoryWindow
from router.events.event import Limits
from router.events.records import Record
from router.gateway.credentials import WriteKeys
from router.gateway.handler import RequestHandler
from router.gateway.ingest import Ingest
from router.gateway.listen import Listener
from router.identity import IdentityRules, Replica
from router.identity.store_memory import MemoryIdentityStore
from router.native.library import native
from tests.agents.messages import AT, FakeMessage
from tests.gateway.running import KEY
from tests.gateway.test_handler import Log

ROWS = [json.loads(line) for line in Path(__file__).with_name("library_requests.ndjson").read_text().splitlines()]
# Known by name as servers, whose address is not the user's. That of Rust does not name itself; the newer one of .NET,
# 2.6.0, runs on phones too.
OF_SERVERS = ("go", "node", "python", "java", "ruby", "php", ".net 3.8.1")
CALLS = {"identify", "track", "page", "screen", "group", "alias"}


def sent(request: dict[str, Any]) -> bytes:
    return base64.b64decode(request["base64"]) if "base64" in request else request["body"].encode()


async def answered(requests: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Record]]:
    """The answers as objects, and what reached the sink."""
    keys = WriteKeys({"web": SourceConfig(write_keys=(KEY,))})
    log = Log()
    handler = RequestHandler(GatewayConfig(), Ingest(keys, Limits(), raw="raw", invalid="invalid", max_events=100), log)
    listener = Listener(handler.handle, ("127.0.0.1", 0), max_connections=10, idle_timeout=30)
    await listener.start()
    answers = []
    try:
        skipped = ("Content-Type", "User-Agent", "Accept", "Accept-Encoding")  # what the client would add by itself
        url = "http://{}:{}".format(*listener.address)
        async with aiohttp.ClientSession(url, skip_auto_headers=skipped) as session:
            for request in requests:
                async with session.post(request["path"], data=sent(request), headers=request["headers"]) as answer:
                    assert answer.status == 200, await answer.text()
                    assert answer.content_type == "application/json"
                    answers.append(await answer.json())
    finally:
        await listener.close()
    assert {record[0] for record in log.records} == {"raw"}
    return answers, log.records


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["library"])
async def test_six_calls_of_the_library_arrive(row: dict[str, Any]) -> None:
    answers, records = await answered(row["requests"])
    events = [json.loads(record[1] or b"") for record in records]

    assert all(answer["success"] is True and answer["rejected"] == [] for answer in answers)
    found = {event["type"]: event for event in events}
    assert (len(events), set(found)) == (6, CALLS)
    assert {event["userId"] for event in events} == {"u1"}
    assert len({event["messageId"] for event in events}) == 6  # given by the gateway where the library gives none
    assert found["identify"]["traits"] == {"plan": "pro"}
    assert (found["track"]["event"], found["track"]["properties"]) == ("Order Completed", {"total": 9.5})
    assert found["track"]["integrations"] == {"CRM": False}
    assert (found["page"]["name"], found["screen"]["name"]) == ("Home", "Start")
    assert (found["group"]["groupId"], found["group"]["traits"]) == ("g1", {"name": "Shop"})
    assert found["alias"]["previousId"] == "a1"
    address = None if row["library"].startswith(OF_SERVERS) else "127.0.0.1"
    assert {event.get("context", {}).get("ip") for event in events} == {address}


@pytest.mark.skipif(native().library is None, reason=f"the native library is {native()}")
async def test_the_scanner_takes_all_that_libraries_send_but_alias_calls() -> None:
    """A call that changes who is who is for the agents alone."""
    _, records = await answered([request for row in ROWS for request in row["requests"]])
    messages = [
        FakeMessage(value, of_key=key, of_headers=headers, of_offset=number)
        for number, (_, value, key, headers) in enumerate(records)
    ]
    url = {"url": "http://127.0.0.1:1/", "allow_private": True}
    topology = Topology.model_validate(
        {
            "name": "shop",
            "sources": {"web": {"write_keys": [KEY]}},
            "destinations": {"crm": {"type": "webhook", "settings": url}},
        }
    )
    replica = Replica(MemoryIdentityStore(), IdentityRules())

    def append(record: bytes) -> None:
        replica.apply_record(replica.position(), AT, record)

    setup = Setup(
        Loaded(topology, (), (), {}, {}),
        "c",
        MemoryWindow(1),
        replica,
        append,
    )
    pipeline = Pipeline.build(setup)
    lanes = {("events.raw", 0): 0}
    pipeline.run(messages, lanes)  # it learns names

    assert pipeline.scan is not None
    taken = pipeline.scan.events(messages, np.zeros(len(messages), dtype=np.int64))
    assert taken is not None
    left = [json.loads(messages[index].raw or b"")["type"] for index in taken.left]
    assert (len(messages), left) == (6 * len(ROWS), ["alias"] * len(ROWS))


def test_eight_languages_of_servers_and_two_of_phones_are_here() -> None:
    names = {row["library"].split()[0] for row in ROWS}

    assert names == {"go", "node", "python", "java", "ruby", "php", "rust", ".net", "kotlin", "swift"}
    assert {row["origin"] for row in ROWS} <= {"recorded", "written"}
