"""What Snowflake's errors mean: by their number, by their words, by the class of their SQLSTATE."""

from __future__ import annotations

import re
from typing import Literal

from router.warehouse.store import Failure, unreachable

Known = tuple[Literal["retry", "refused", "rejected"], str, str]

_NOT_ACCEPTED: Known = ("refused", "NOT_ACCEPTED", "the user, the key or the password is not accepted")
_NO_RIGHT: Known = ("refused", "NO_RIGHT", "the role has no right to do this")
_IN_THE_WAY: Known = ("retry", "IN_THE_WAY", "another load was in the way")
IN_THE_WAY = Failure(*_IN_THE_WAY)
_TOO_LARGE: Known = ("rejected", "TOO_LARGE", "a value is larger than Snowflake takes")
_EXPIRED: Known = ("retry", "SESSION_EXPIRED", "the session has ended: the next load begins another")
_NUMBERS: dict[int, Known] = {
    606: ("refused", "NO_WAREHOUSE", "no virtual warehouse is chosen, or the role may not use it"),
    625: _IN_THE_WAY,  # holds a lock
    904: _IN_THE_WAY, 1430: _IN_THE_WAY, 2002: _IN_THE_WAY,  # has renamed or added a column, or made a table
    604: ("retry", "STOPPED", "a statement was stopped"),
    630: ("retry", "ETIMEDOUT", "a statement ran longer than it may"),
    2003: ("retry", "GONE", "a schema or table was dropped: it is made again"),
    2043: ("retry", "GONE", "a schema or table was dropped: it is made again"),
    3001: _NO_RIGHT,
    90105: ("refused", "NO_DATABASE", "there is no such database, or the role may not use it"),
    90073: ("refused", "QUOTA", "a resource monitor keeps the virtual warehouse from running"),
    100078: _TOO_LARGE, 100082: _TOO_LARGE, 100145: _TOO_LARGE,
    390100: _NOT_ACCEPTED, 390101: _NOT_ACCEPTED, 390102: _NOT_ACCEPTED, 390144: _NOT_ACCEPTED,
    390104: _EXPIRED, 390110: _EXPIRED, 390111: _EXPIRED, 390112: _EXPIRED, 390114: _EXPIRED,
    390189: ("refused", "NO_ROLE", "there is no such role, or the user does not have it"),
}  # fmt: skip
# Before the numbers, as several things share one.
_WORDS: tuple[tuple[str, Known], ...] = (
    (r"failed to refresh session", _EXPIRED),
    (r"requested warehouse does not exist", _NUMBERS[606]),
    (r"requested database does not exist", _NUMBERS[90105]),
    (r"current role has no privileges", _NO_RIGHT),
    (r"insufficient privileges to operate on database",
     ("refused", "NO_SCHEMA",
      "the role has no right to make a schema: give CREATE SCHEMA on the database, or make one for each source")),
    (r"trial has ended|add billing information", ("refused", "NO_BILLING", "the account's trial has ended")),
    (r"cannot be resumed because resource monitor", _NUMBERS[90073]),
    (r"limit on objects of type 'column'",
     ("refused", "TOO_MANY_COLUMNS", "a table has all the columns that Snowflake allows")),
    (r"is not allowed to access snowflake", ("refused", "ADDRESS", "the account's network policy refuses our address")),
    (r"could not read private key file",
     ("refused", "NOT_ACCEPTED", "there is no such key_file, or no right to read it")),
    (r"no passphrase was provided",
     ("refused", "NOT_ACCEPTED", "key_file is encrypted: give its passphrase as the password")),
    (r"authentication failed\. (unspecified|unexpectederror)",
     ("refused", "NOT_ACCEPTED", "key_file holds no private key (PEM, PKCS#8), or the passphrase is another")),
    (r"error status: (404|403)",
     ("refused", "NO_ACCOUNT", "there is no such account, or a proxy or network policy is in between")),
    (r"last status (429|5\d\d)|error status: (429|5\d\d)", ("retry", "BACKEND", "Snowflake has a problem of its own")),
    (r"corrupt message|certificate|tls", ("refused", "TLS", "no encrypted connection to that place")),
)  # fmt: skip
_CONVERSIONS = ("22",)  # of SQLSTATE: a value that is none of its type


def failure(error: BaseException) -> Failure:
    """Without the library's text, which may hold a value."""
    said = str(error)
    for pattern, known in _WORDS:
        if re.search(pattern, said, re.IGNORECASE):
            return Failure(*known)
    number, state = getattr(error, "errno", None) or 0, getattr(error, "sqlstate", None) or ""
    if number in _NUMBERS:
        return Failure(*_NUMBERS[number])
    if state.startswith(_CONVERSIONS):
        return Failure("rejected", "NOT_CONVERTED", "a column does not take a value")
    told = f"{type(error).__name__} {number or ''}".rstrip()
    return unreachable(said) or Failure("retry", "WAREHOUSE_FAILED", told)


def missing(what: Literal["database", "warehouse"]) -> Failure:
    """Of what the session has none."""
    return Failure(*_NUMBERS[90105 if what == "database" else 606])
