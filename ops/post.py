"""Sends a load to the gateway as an SDK does: each event again, with the same messageId, until it is answered 200.

One event after the other, each on a connection of its own, so the order of a device is defined and a refused connection
tells that nothing was taken. A copy whose answer says so too is `refused`; one that may have been taken is `unknown`.
"""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Callable, Iterable

import orjson

from ops.load import Answer, Item, Ledger
from router.config.options import Address

AGAIN_SECONDS = 0.3
ANSWER_SECONDS = 15.0
NOT_TAKEN = frozenset({"broker_unavailable", "overloaded", "no_room", "rate_limited"})


def post(
    address: Address,
    key: str,
    items: Iterable[Item],
    ledger: Ledger,
    *,
    rate: float,
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Send the items, at most `rate` a second, until they end or `stop`.

    Raises ValueError when the gateway refuses what it should take.
    """
    headers = {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
    started = time.monotonic()
    for number, item in enumerate(items):
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        while not stop():
            answer = _answer(address, headers, item)
            ledger.note(item, answer)
            if answer == "ok":
                break
            time.sleep(AGAIN_SECONDS)
        if stop():
            return


def _answer(address: Address, headers: dict[str, str], item: Item) -> Answer:
    connection = http.client.HTTPConnection(*address, timeout=ANSWER_SECONDS)
    try:
        connection.connect()
    except OSError:
        return "refused"
    try:
        connection.request("POST", f"/v1/{item.type}", item.value, headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return "unknown"
    finally:
        connection.close()
    return "ok" if response.status == http.client.OK else _refusal(response.status, body)


def _refusal(status: int, body: bytes) -> Answer:
    code = orjson.loads(body)["error"]["code"]
    if status < 500 and status != http.client.TOO_MANY_REQUESTS:
        raise ValueError(f"the gateway answered {status} {code} to an event that is fine")
    return "refused" if code in NOT_TAKEN else "unknown"
