"""What the receiver answers, writes down and shows."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.destinations.webhook import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from router.receiver import InjectedFault, Receiver, read_log
from router.receiver.faults import EVERY_PATH

ORDER = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"}
PERSON = {"type": "identify", "anonymousId": "a1", "messageId": "m2"}


async def post(
    receiver: Receiver, data: bytes | list[Any] | dict[str, Any], path: str = "/crm", **headers: str
) -> tuple[int, str]:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(receiver.url + path, data=body, headers=named) as answer,
    ):
        return answer.status, await answer.text()


async def test_accepted_events_are_written_down_and_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    log = tmp_path / "new" / "receipts"
    async with Receiver(log, show=shown.append) as receiver:
        assert await post(receiver, ORDER, X_Attempt="2", Idempotency_Key="k") == (200, "ok")
        assert (await post(receiver, [ORDER, PERSON], "/ads"))[0] == 200

    receipts = [(one["path"], one["messageId"], one["attempt"], one["batch"]) for one in read_log(log)]
    assert receipts == [("/crm", "m1", 2, 1), ("/ads", "m1", 0, 2), ("/ads", "m2", 0, 2)]
    assert [line.split()[1:] for line in shown] == [
        ["/crm", "200", "track", "Order", "Completed", "u1", "m1", "attempt", "2"],
        ["/ads", "200", "track", "Order", "Completed", "u1", "m1"],
        ["/ads", "200", "identify", "a1", "m2"],
    ]


@pytest.mark.parametrize("body", [b"not JSON", b"[1]", b'"x"', b'[{}, "x"]'])
async def test_what_is_no_event_is_refused(tmp_path: Path, body: bytes) -> None:
    shown: list[str] = []
    async with Receiver(tmp_path / "log", show=shown.append) as receiver:
        assert (await post(receiver, body))[0] == 400

    assert read_log(tmp_path / "log") == []
    assert [line.split()[1:3] for line in shown] == [["/crm", "400"]]


async def test_with_a_secret_only_signed_requests_are_accepted() -> None:
    shown: list[str] = []
    async with Receiver(secret="s3cret", show=shown.append) as receiver:
        body, now = json.dumps(ORDER).encode(), int(time.time())
        good = {TIMESTAMP_HEADER: str(now), SIGNATURE_HEADER: sign(b"s3cret", now, body)}
        old = {TIMESTAMP_HEADER: str(now - 301), SIGNATURE_HEADER: sign(b"s3cret", now - 301, body)}
        statuses = [
            (await post(receiver, body, **headers))[0]
            for headers in (good, {}, old, good | {SIGNATURE_HEADER: sign(b"other", now, body)})
        ]

        assert statuses == [200, 401, 401, 401]
        assert receiver.forged == 3
    assert [line.split("  ")[-1] for line in shown] == ["signed", *["bad signature"] * 3]


async def test_a_signature_without_a_secret_is_not_checked_and_that_is_shown() -> None:
    shown: list[str] = []
    async with Receiver(show=shown.append) as receiver:
        assert (await post(receiver, ORDER, **{SIGNATURE_HEADER: "v1=0"}))[0] == 200

    assert shown[0].endswith("signature not checked")


async def test_a_fault_is_of_one_path_or_of_every_path() -> None:
    shown: list[str] = []
    async with Receiver(show=shown.append) as receiver:
        receiver.faults = {
            "/crm": [InjectedFault(kind="status", status=429, retry_after="2", times=1)],
            EVERY_PATH: [InjectedFault(kind="status", status=500, times=1)],
        }
        statuses = [(await post(receiver, ORDER, path))[0] for path in ("/crm", "/ads", "/crm", "/ads")]

    assert statuses == [429, 500, 200, 200]
    assert [line.split()[2] for line in shown] == ["429", "500", "200", "200"]


@pytest.mark.parametrize("kind", ["close", "lost", "garbage"])
async def test_a_connection_that_breaks_has_no_answer(tmp_path: Path, kind: str) -> None:
    async with Receiver(tmp_path / "log") as receiver:
        receiver.faults = {EVERY_PATH: [InjectedFault.model_validate({"kind": kind})]}
        with pytest.raises(aiohttp.ClientError):
            await post(receiver, ORDER)

    assert len(read_log(tmp_path / "log")) == (kind == "lost")


async def test_a_request_that_hangs_is_never_answered_and_accepts_nothing(tmp_path: Path) -> None:
    arrived = asyncio.Event()
    async with Receiver(tmp_path / "log", show=lambda _: arrived.set()) as receiver:
        receiver.faults = {EVERY_PATH: [InjectedFault(kind="hang")]}
        request = asyncio.ensure_future(post(receiver, ORDER))
        await asyncio.wait_for(arrived.wait(), 60)
        assert not request.done()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    assert read_log(tmp_path / "log") == []


async def test_faults_are_set_and_counts_are_read_over_http() -> None:
    async with Receiver() as receiver:
        set_ = await post(receiver, {"/crm": [{"kind": "status", "status": 503}]}, "/_faults")
        assert set_[0] == 200
        assert (await post(receiver, ORDER))[0] == 503
        refused = await post(receiver, {"/crm": [{"kind": "nope"}]}, "/_faults")
        stats = json.loads((await post(receiver, b"", "/_stats"))[1])

        assert refused[0] == 400
        assert (stats["requests"], stats["accepted"], stats["forged"]) == ({"/crm": 1}, {}, 0)
        assert (await post(receiver, b"", "/_other"))[0] == 404


async def test_the_address_stays_after_a_stop_and_a_taken_one_is_an_error() -> None:
    receiver = Receiver()
    async with receiver:
        url, port = receiver.url, int(receiver.url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)):
            await Receiver(port=port).start()
    async with receiver:
        assert receiver.url == url
