"""AppsFlyer: one message a request, known by a token in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from router.partner_sources.base import Post
from tests.partner_sources.doubles.double import KEY, PartnerDouble


def message(name: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "event_name": name,
        "event_time": f"2020-01-15 14:57:24.8{number:02}",
        "event_time_selected_timezone": f"2020-01-15 16:57:24.8{number:02}+0200",
        "customer_user_id": "u42",
        "appsflyer_id": "1547985076649-5309999",
        "media_source": "Search Network",
        "campaign": "Winter sale",
        "af_ad": "Blue boots",
        "af_adset": "Runners",
        "af_channel": "Search",
        "app_id": "id123456789",
        "app_version": "7.3",
        "platform": "ios",
        "idfa": "2D9ECA3A-28E2-4F38-A8D5-DA33EE0DE7A4",
        "ip": "203.0.113.7",
        "country_code": "DE",
        "conversion_type": "install",
        "event_value": None,
        **fields,
    }


SETTINGS = {"token": KEY}


class AppsflyerDouble(PartnerDouble):
    type = "appsflyer"
    settings = SETTINGS
    items = (
        message("install", 1),
        message("re-engagement", 2, original_url="https://shop.onelink.me/cart"),
        message("af_purchase", 3, event_value='{"af_revenue": "6.5", "af_content_id": "b1"}', event_revenue="6.5"),
    )
    unknown = None
    batches = signs_body = signs_time = False

    def headers(self, body: bytes, now: float, key: str) -> Mapping[str, str]:
        return {}

    def query(self, key: str) -> str:
        return f"token={quote(key)}"

    def by_get(self, item: Mapping[str, Any]) -> Post:
        """The older form, with everything in the URL."""
        fields = {name: value for name, value in item.items() if value is not None}
        return Post("GET", "/v1/hooks/mail", urlencode({"token": KEY, **fields}), {}, b"")
