"""AppsFlyer: Push API 2.0, one message a request, known by a token in the URL.

Installs become `Install Attributed`; an event of the app's own keeps its name. AppsFlyer signs nothing and gives no
event ids: app, device, name, time and value make one.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from pydantic import Field

from router.config.types import Secret
from router.events.event import Body
from router.events.parser import JsonError, Repairs, parse
from router.partner_sources.base import Post
from router.partner_sources.reading import chosen, digest, filled, first, text
from router.partner_sources.signatures import in_query
from router.partner_sources.table import Person, TableSettings, TableSource

_NAMES = {
    "install": "Install Attributed",
    "reinstall": "Install Attributed",
    "re-attribution": "Install Attributed",
    "re-engagement": "Deep Link Opened",
    "uninstall": "Application Uninstalled",
}
_IDS = (
    *("appsflyer_id", "conversion_type", "campaign_type", "is_retargeting", "af_c_id", "af_adset_id", "af_ad_id"),
    *("af_ad_type", "af_siteid", "af_keywords", "af_prt", "af_sub1", "af_sub2", "af_sub3", "af_sub4", "af_sub5"),
    *("install_time", "attributed_touch_time", "attributed_touch_type", "event_revenue_usd", "match_type"),
)


class AppsflyerSourceSettings(TableSettings):
    token: Secret = Field(description="A secret that stands in the URL as the parameter `token`")


class AppsflyerSource(TableSource):
    type = "appsflyer"
    partner = "AppsFlyer"
    summary = "AppsFlyer: where installs come from, and events of the app"
    enter = "API access, Push API: the URL with `?token=`, POST, and the fields and events you want"
    signature = "`token` in the URL"
    names = _NAMES
    reads_query = True
    Settings = AppsflyerSourceSettings

    def verify(self, post: Post, now: float) -> str:
        return in_query(post, self.settings.token)

    def items(self, post: Post) -> Iterable[Any]:
        if post.method == "POST":
            return super().items(post)
        fields = {name: value for name, value in parse_qsl(post.query) if name != "token"}
        return [fields] if fields and post.method == "GET" else []

    def kind(self, item: Body) -> str:
        return text(item.get("event_name"))

    def named(self, kind: str) -> str:
        return super().named(kind) or kind

    def event_id(self, item: Body) -> str:
        parts = [item.get(name) for name in ("app_id", "appsflyer_id", "event_name", "event_time", "event_value")]
        return digest(parts) if parts[1] and parts[3] else ""

    def time(self, item: Body) -> Any:
        """UTC, though no zone is written."""
        return item.get("event_time")

    def person(self, item: Body) -> Person:
        return Person(text(item.get("customer_user_id")), "", text(item.get("appsflyer_id")))

    def properties(self, item: Body) -> dict[str, Any]:
        campaign = {
            "source": text(item.get("media_source")) or text(item.get("campaign_type")),
            "name": text(item.get("campaign")),
            "medium": text(item.get("af_channel")),
            "content": text(item.get("af_ad")),
            "ad_creative": text(item.get("af_ad")),
            "ad_group": text(item.get("af_adset")),
        }
        return {
            **_value(item.get("event_value")),
            "provider": self.partner,
            "campaign": filled(campaign),
            "campaign_name": campaign["name"],
            "url": first(item.get("deeplink_url"), item.get("original_url")),
            "revenue": _number(item.get("event_revenue")),
            "currency": text(item.get("event_revenue_currency")),
            **chosen(item, *_IDS),
        }

    def context(self, item: Body) -> dict[str, Any]:
        named = {
            "app": {"name": "app_name", "version": "app_version", "namespace": "bundle_id"},
            "device": {"type": "platform", "model": "device_type", "id": "idfv", "advertisingId": "idfa"},
            "os": {"version": "os_version"},
            "location": {"country": "country_code", "region": "region", "city": "city"},
            "network": {"carrier": "carrier"},
        }
        found = {
            part: filled({ours: text(item.get(one)) for ours, one in names.items()}) for part, names in named.items()
        }
        android = filled({"id": text(item.get("android_id")), "advertisingId": text(item.get("advertising_id"))})
        found["device"] = android | found["device"]
        return {**found, "ip": text(item.get("ip")), "userAgent": text(item.get("user_agent"))}


def _value(written: Any) -> dict[str, Any]:
    """`event_value` is JSON in a text; one that is no object stands under its own name."""
    if type(written) is str and written.strip():
        with suppress(JsonError):
            written = parse(written.encode(errors="replace"), Repairs())
    return written if type(written) is dict else filled({"event_value": written})


def _number(written: Any) -> float | None:
    if type(written) in (int, float):
        return float(written)
    try:
        return float(written) if type(written) is str and written.isascii() else None
    except ValueError:
        return None
