"""Pages of other origins: none unless configured, never with credentials."""

from __future__ import annotations

from router.gateway.cors import CorsPolicy

SHOP = "https://shop.example"


def test_nothing_is_allowed_by_default() -> None:
    origins = CorsPolicy(())
    assert origins.headers(SHOP) == {}
    assert origins.preflight(SHOP) == {}


def test_a_configured_origin_is_allowed_and_named() -> None:
    headers = CorsPolicy((f"{SHOP}/",)).preflight(SHOP)
    assert headers["Access-Control-Allow-Origin"] == SHOP
    assert headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert headers["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in headers


def test_another_origin_gets_no_permission_and_is_not_repeated() -> None:
    """Caches are told that the answer depends on the origin."""
    for origin in ("https://evil.example", f"{SHOP}.evil.example", "null"):
        assert CorsPolicy((SHOP,)).preflight(origin) == {"Vary": "Origin"}


def test_the_star_allows_every_origin() -> None:
    assert CorsPolicy(("*",)).headers("https://any.example")["Access-Control-Allow-Origin"] == "*"


def test_what_is_no_page_gets_no_headers() -> None:
    assert CorsPolicy((SHOP,)).headers(None) == {}
