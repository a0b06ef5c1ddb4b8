"""`router snippet`: what to paste into a page or a program so that it sends to a source."""

from __future__ import annotations

import json
import re
import shlex
from typing import Annotated, Literal

import typer

from router.cli.loading import load, only_topology
from router.cli.options import TopologyOption, with_run_options
from router.config.models import SourceConfig
from router.config.options import RunOptions
from router.errors import UsageError

Kind = Literal["web", "curl", "python", "node", "kotlin", "swift"]
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


@with_run_options("env_file")
def command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the topology, with a write key.")],
    kind: Annotated[Kind, typer.Option("--for", help="What it is for.")] = "web",
    url: Annotated[
        str, typer.Option(help="Where the gateway is reached; left out: gateway.public_url, or this machine.")
    ] = "",
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    *,
    options: RunOptions,
) -> None:
    """Print what to paste so that a web page, a program or an app sends to a source, with its write key.

    For web pages the gateway serves the browser library too: see gateway.analytics_js.
    """
    loaded = load(topology or only_topology(), options).topology
    config = loaded.sources.get(source)
    if config is None or not config.write_keys:
        raise UsageError(f"expected a source with write_keys ({_with_keys(loaded.sources)}), got {source}")
    address = (url or loaded.gateway.public_url or "http://127.0.0.1:8080").rstrip("/")
    text = snippet(kind, config.write_keys[0].get_secret_value(), address)
    if kind == "web" and loaded.gateway.analytics_js is None:
        typer.echo("gateway.analytics_js names no browser library: this gateway will have none to serve", err=True)
    typer.echo(text, nl=False)


def snippet(kind: Kind, key: str, url: str) -> str:
    """The text for a write key and the address of the gateway, such as https://events.example.com."""
    values = {
        "KEY": _literal(key), "URL": _literal(url), "HOST": _literal(url.partition("://")[2] + "/v1"),
        "QUOTED": shlex.quote(f"{key}:"), "ADDRESS": shlex.quote(f"{url}/v1/track"), "METHODS": json.dumps(_METHODS),
    }  # fmt: skip
    return re.sub(rf"\b({'|'.join(values)})\b", lambda found: values[found[0]], _SNIPPETS[kind])


def _literal(text: str) -> str:
    """In a page `<` could end the script."""
    return json.dumps(text).replace("<", "\\u003c")


def _with_keys(sources: dict[str, SourceConfig]) -> str:
    return ", ".join(name for name, source in sources.items() if source.write_keys) or "there is none"
