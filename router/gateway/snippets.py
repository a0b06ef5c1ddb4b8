"""What to paste into a page, a program or an app so that it sends to a source. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Literal

SnippetKind = Literal["web", "curl", "python", "node", "kotlin", "swift"]
SNIPPET_TITLES: Mapping[SnippetKind, str] = {
    "curl": "curl", "python": "Python", "node": "Node", "web": "Browser", "kotlin": "Android", "swift": "iOS",
}  # fmt: skip
_METHODS = (
    *("addDestinationMiddleware", "addSourceMiddleware", "alias", "debug", "group", "identify", "off", "on", "once"),
    *(
        "page",
        "ready",
        "register",
        "reset",
        "screen",
        "setAnonymousId",
        "track",
        "trackClick",
        "trackForm",
        "trackLink",
    ),
    *("trackSubmit", "user"),
)
# Calls made before the library is there wait in the array, as [method, …arguments]; the library then makes them.
_WEB = """<script>
  (function (key, url) {
    var queue = (window.analytics = window.analytics || []);
    if (queue.invoked || queue.initialize) return;
    queue.invoked = true;
    queue._writeKey = key;
    queue._cdn = url;
    METHODS.forEach(function (method) {
      queue[method] = function () {
        if (window.analytics.initialized) return window.analytics[method].apply(window.analytics, arguments);
        queue.push([method].concat([].slice.call(arguments)));
        return queue;
      };
    });
    var script = document.createElement("script");
    script.async = true;
    script.src = url + "/analytics.js/v1/" + encodeURIComponent(key) + "/analytics.min.js";
    document.head.appendChild(script);
    queue.page();
  })(KEY, URL);
</script>
"""
_CURL = """curl -u QUOTED -H 'Content-Type: application/json' ADDRESS \\
  -d '{"userId": "u1", "event": "First Event", "properties": {"plan": "pro"}}'
"""
_PYTHON = """# pip install segment-analytics-python
import segment.analytics as analytics

analytics.write_key, analytics.host = KEY, URL
analytics.track("u1", "First Event", {"plan": "pro"})
analytics.flush()
"""
_NODE = """// npm install @segment/analytics-node
import { Analytics } from "@segment/analytics-node";

const analytics = new Analytics({ writeKey: KEY, host: URL });
analytics.track({ userId: "u1", event: "First Event", properties: { plan: "pro" } });
await analytics.closeAndFlush();
"""
_KOTLIN = """// implementation("com.segment.analytics.kotlin:android:1.+"); it speaks https alone
val analytics = Analytics(KEY, applicationContext) {
    apiHost = HOST
    cdnHost = HOST
}
analytics.track("First Event")
"""
_SWIFT = """// https://github.com/segmentio/analytics-swift; it speaks https alone
let analytics = Analytics(configuration: Configuration(writeKey: KEY)
    .apiHost(HOST)
    .cdnHost(HOST))
analytics.track(name: "First Event")
"""
_SNIPPETS: dict[str, str] = {
    "web": _WEB, "curl": _CURL, "python": _PYTHON, "node": _NODE, "kotlin": _KOTLIN, "swift": _SWIFT
}  # fmt: skip


def snippet(kind: SnippetKind, key: str, url: str) -> str:
    """The text for a write key and the address of the gateway, such as https://events.example.com."""
    values = {
        "KEY": _literal(key), "URL": _literal(url), "HOST": _literal(url.partition("://")[2] + "/v1"),
        "QUOTED": shlex.quote(f"{key}:"), "ADDRESS": shlex.quote(f"{url}/v1/track"), "METHODS": json.dumps(_METHODS),
    }  # fmt: skip
    return re.sub(rf"\b({'|'.join(values)})\b", lambda found: values[found[0]], _SNIPPETS[kind])


def _literal(text: str) -> str:
    """In a page `<` could end the script."""
    return json.dumps(text).replace("<", "\\u003c")
