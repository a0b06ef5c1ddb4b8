"""GET /v1/pixel/track and its five sisters: an event in the URL of an image, for e-mail and pages without JavaScript.

`?data=BASE64` holds the event as JSON, with its `writeKey`; without `data` the parameters are its fields, dots nesting
them: `?writeKey=K&userId=u1&event=Email+Opened&properties.subject=Hi`. The answer is always the image: whoever shows it
can neither repeat the call nor read an error, so what was refused is in the counters alone.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import parse_qsl, unquote

import orjson
from aiohttp import hdrs, web

from router.events.event import Limits
from router.gateway.answers import Answer
from router.gateway.bodies import Items, single
from router.gateway.cors import CorsPolicy
from router.gateway.endpoint import Endpoint
from router.mapping.path import nested

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
_HEADERS = {
    "Content-Type": "image/gif",
    "Cache-Control": "no-store, no-cache, must-revalidate, private",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Pragma": "no-cache",
    "Server": "event-router",
}
_IMAGELESS = (204, 405)
_LINE_BREAKS = re.compile(r"[\r\n\t]+")
_ALPHABET = str.maketrans(" -_", "++/", "=")  # mail clients turn `+` into a space


class PixelEndpoint(Endpoint):
    """One call type. The write key is a field of the event, since an image request has no header of ours."""

    name = "pixel"
    methods = (hdrs.METH_GET, hdrs.METH_HEAD)
    browser = True

    def __init__(self, call: str) -> None:
        self.type = call
        self.paths = (f"/v1/pixel/{call}",)

    def write_key(self, request: web.BaseRequest) -> str | None:
        return None

    def decode(self, body: bytes, query: str, limits: Limits) -> Items | str:
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        data = parameters.get("data")
        if data is None:
            fields = nested(parameters, lambda name: name.split("."))
            return _sent_now(single(orjson.dumps(fields) if fields else b""))
        try:
            text = _LINE_BREAKS.sub("", unquote(data)).translate(_ALPHABET)
            return _sent_now(single(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)))
        except (binascii.Error, ValueError):
            return "bad_base64"

    def respond(self, answer: Answer, request: web.BaseRequest, cors: CorsPolicy) -> web.Response:
        if answer.status in _IMAGELESS:
            return super().respond(answer, request, cors)
        return web.Response(body=GIF, headers=_HEADERS)


def _sent_now(items: Items | str) -> Items | str:
    """Without `sentAt`: the URL was written long before it is requested, which is no skew of the user's clock."""
    if not isinstance(items, str) and type(items.values[0]) is dict:
        items.values[0].pop("sentAt", None)
    return items
