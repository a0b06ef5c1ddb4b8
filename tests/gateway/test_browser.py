"""The official browser library, unchanged, in a real browser: loaded from the gateway, it sends to the gateway."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from router.embedded.broker import EmbeddedBroker
from router.gateway.snippets import snippet
from tests.brokers.messages import eventually
from tests.browser import npm_package
from tests.gateway.running import KEY, body, running
from tests.serving import serving

LIBRARY = "@segment/analytics-next@1.84.3"
pytestmark = pytest.mark.browser
OFFLINE = 'Object.defineProperty(navigator, "onLine", { get: function () { return false; } });'
# Each page does its part and leads to the next one.
PAGES = {
    "/": """<form action="/second"><input name="a"></form><script>
      analytics.ready(function () {
        analytics.identify("u9", { plan: "pro" });
        analytics.track("Signed Up", { plan: "pro" });
        analytics.trackForm(document.forms[0], "Form Sent");
        setTimeout(function () { document.forms[0].requestSubmit(); }, 500);
      });</script>""",
    "/second": """<a href="/third">on</a><script>
      analytics.ready(function () {
        analytics.trackLink(document.querySelector("a"), "Link Clicked");
        setTimeout(function () { document.querySelector("a").click(); }, 500);
      });</script>""",
    "/third": f"""<script>
      analytics.ready(function () {{
        analytics.reset();
        analytics.track("After Reset").then(function () {{
          {OFFLINE}
          analytics.track("While Offline");
          setTimeout(function () {{ location = "/fourth"; }}, 500);
        }});
      }});</script>""",
    "/fourth": """<script>
      analytics.ready(function () { analytics.track("Page Closed"); location = "/fifth"; });</script>""",
    "/fifth": "",
}
TRACKED = {"Mail Clicked", "Signed Up", "Form Sent", "Link Clicked", "After Reset", "While Offline", "Page Closed"}


class Site(ThreadingHTTPServer):
    """A web site whose pages have the snippet that `router snippet` prints for the gateway at `url`."""

    url = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Page(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        text = f"<title>{path}</title><body>{snippet('web', KEY, self.server.url)}{PAGES.get(path, '')}".encode()
        self.send_response(200 if path in PAGES else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


@contextmanager
def visited(chromium: Sequence[str], url: str, folder: Path) -> Iterator[None]:
    """A browser on this page for the length of the block."""
    command = [*chromium, f"--user-data-dir={folder}", "--remote-debugging-port=0", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            yield
        finally:
            browser.kill()


def test_the_official_library_sends_all_that_a_visit_does(
    chromium: Sequence[str], embedded: EmbeddedBroker, unique: str, tmp_path: Path
) -> None:
    """By a link of a mail, over forms, links, a log-out, a dead network and pages that close: each event is there."""
    package = npm_package(LIBRARY, tmp_path)
    site = Site(("127.0.0.1", 0), Page)
    events: dict[str, dict[str, Any]] = {}
    with serving(site), running(unique, embedded, analytics_js=package, cors_origins=[site.origin]) as gateway:
        site.url = gateway.url

        def complete() -> bool:
            events.update({one["messageId"]: one for one in map(body, gateway.new(gateway.topics.raw))})
            pages = {one["context"]["page"]["path"] for one in events.values() if one["type"] == "page"}
            return {one.get("event") for one in events.values()} >= TRACKED and pages >= set(PAGES)

        start = f"{site.origin}/?utm_campaign=spring&ajs_uid=u9&ajs_event=Mail+Clicked&ajs_prop_mail=m1"
        with visited(chromium, start, tmp_path / "profile"):
            eventually(complete, "the events of the visit")

    named = {name: [one for one in events.values() if one.get("event") == name] for name in TRACKED}
    assert {name: len(found) for name, found in named.items()} == dict.fromkeys(TRACKED, 1)
    clicked, signed_up, after = (named[name][0] for name in ("Mail Clicked", "Signed Up", "After Reset"))
    assert (clicked["userId"], clicked["properties"]) == ("u9", {"mail": "m1"})
    assert clicked["context"]["campaign"] == {"name": "spring"}
    assert clicked["context"]["userAgent"].startswith("Mozilla/")
    assert signed_up["anonymousId"] == clicked["anonymousId"] != after["anonymousId"]
    assert after["userId"] is None
    assert signed_up["context"]["library"]["name"] == "analytics.js"
