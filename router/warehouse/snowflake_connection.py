"""How Snowflake's connector is given what a URL and the credentials say."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

_LONGEST = 900  # seconds, of one statement
_LOCKED = 400  # seconds that a load waits for another, or for what a killed one has left behind
_ATTEMPTS = 4  # of a call, 10 seconds at most: then delivery tries again, and knows why
# Whatever the account or the user is set to.
_SESSION = {
    "QUERY_TAG": "event-router", "TIMEZONE": "UTC", "AUTOCOMMIT": True, "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False, "LOCK_TIMEOUT": _LOCKED, "STATEMENT_TIMEOUT_IN_SECONDS": _LONGEST,
    "CLIENT_TELEMETRY_ENABLED": False,
}  # fmt: skip


def connection(url: str, password: str | None, key_file: Path | None, timeout: float) -> SnowflakeConnection:
    """A session; `timeout` is in seconds, for beginning it. Raises what the connector raises."""
    from snowflake.connector import connect  # only where a topology has such a place

    quiet()  # also after its import, which sets one of them
    place = urlsplit(url)
    user, _, account = place.netloc.rpartition("@")
    return connect(
        account=account, user=unquote(user), database=unquote(place.path.strip("/")), **_options(place),
        **_credentials(password, key_file), application="EventRouter", paramstyle="qmark", session_parameters=_SESSION,
        validate_default_parameters=True, login_timeout=max(10, round(timeout)), query_timeout=_LONGEST,
        client_store_temporary_credential=False, enable_server_session_keep_alive_auto_detection=False,
        auto_cleanup=False, retry_max_attempts=_ATTEMPTS,
    )  # fmt: skip


def quiet() -> None:
    """The connector logs a line or more a call, and several when it is imported; what matters is raised as well."""
    for name in ("snowflake.connector", "snowflake.connector._core"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _options(place: SplitResult) -> dict[str, str]:
    given = {name: values[-1] for name, values in parse_qs(place.query).items()}
    endpoint = given.pop("endpoint", "")
    return given | ({"server_url": endpoint} if endpoint else {})


def _credentials(password: str | None, key_file: Path | None) -> dict[str, str]:
    if key_file is None:
        return {"password": password or ""}
    passphrase = {"private_key_password": password} if password else {}
    return {"authenticator": "SNOWFLAKE_JWT", "private_key_file": str(key_file)} | passphrase
