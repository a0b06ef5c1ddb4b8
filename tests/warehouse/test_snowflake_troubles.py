"""Snowflake: what its troubles are called, and that the account it is tested with has them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from snowflake.connector import errors

from router.warehouse.store import Failure
from router.warehouse.store_snowflake import SnowflakeStore
from tests.warehouse import snowflake_sql
from tests.warehouse.databases import event, load, order, tables
from tests.warehouse.snowflake import Hung, connected, why
from tests.warehouse.snowflake_account import Snowflake

EVENTS = [order(1, total=5), event(2, "identify", traits={"plan": "pro"}), event(3, event="Other")]


@pytest.fixture
def store(account: Snowflake) -> Iterator[SnowflakeStore]:
    made = connected(account)
    yield made
    made.close()


def test_a_key_pair(account: Snowflake, tmp_path: Path) -> None:
    """With a passphrase or none; each way in which it cannot be used has words."""
    pem = account.key()
    files = {"key": pem, "bad": b"nothing", "other": Snowflake.key(account)}
    account.keys["LOADER"] = serialization.load_pem_private_key(pem, None).public_key()  # type: ignore[assignment]
    key = serialization.load_pem_private_key(pem, None)
    encrypted = serialization.BestAvailableEncryption(b"hush-4711")
    files["encrypted"] = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encrypted
    )  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name, password in (("key", None), ("encrypted", "hush-4711")):
        store = connected(account, password=password, key_file=tmp_path / name)
        load(store, [order(1, total=5)])
        store.close()

    for name, password, words in (
        ("other", None, "the user, the key or the password is not accepted"),
        ("none", None, "there is no such key_file, or no right to read it"),
        ("bad", None, "key_file holds no private key (PEM, PKCS#8), or the passphrase is another"),
        ("encrypted", "wrong", "key_file holds no private key (PEM, PKCS#8), or the passphrase is another"),
        ("encrypted", None, "key_file is encrypted: give its passphrase as the password"),
    ):
        store = connected(account, password=password, key_file=tmp_path / name)
        assert why(store, store.ping) == Failure("refused", "NOT_ACCEPTED", words)
        store.close()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"password": "wrong"}, "NOT_ACCEPTED"), ({"place": "nobody@xy12345/shop"}, "NOT_ACCEPTED"),
        ({"place": "loader@xy12346/shop"}, "NO_ACCOUNT"), ({"place": "loader@xy12345/none"}, "NO_DATABASE"),
        ({"options": "warehouse=none"}, "NO_WAREHOUSE"), ({"options": "role=loader"}, "NO_WAREHOUSE"),
        ({"options": "warehouse=loading&role=none"}, "NO_ROLE"),
    ],
)  # fmt: skip
def test_what_is_not_there_has_a_name(account: Snowflake, given: dict[str, str], code: str) -> None:
    """A check says the same as a load, without waking a virtual warehouse."""
    store = connected(account, **given)  # type: ignore[arg-type]

    found = [why(store, attempt) for attempt in (store.ping, lambda: load(store, EVENTS))]
    store.close()

    assert [(one.kind, one.code) for one in found] == [("refused", code)] * 2
    assert not any(secret in repr(found) for secret in ("hush-4711", "wrong"))


def test_nobody_there_has_a_name() -> None:
    store = SnowflakeStore("snowflake://u@xy12345/shop?endpoint=http://127.0.0.1:1", "hush-4711", None, 0.2)

    assert why(store, store.ping).code == "ECONNREFUSED"


def test_a_role_without_rights_changes_nothing(store: SnowflakeStore, account: Snowflake) -> None:
    """Neither where a schema is to be made nor a table nor rows; with the right, the next load is sound."""
    codes = []
    for denied in ("CREATE SCHEMA", "CREATE TABLE", "CREATE OR REPLACE TEMPORARY STAGE", "MERGE"):
        account.denied = {denied}
        codes.append(why(store, lambda: load(store, EVENTS)).code)
    account.denied = set()
    (counts,) = load(store, EVENTS)

    assert codes == ["NO_SCHEMA", "NO_RIGHT", "NO_RIGHT", "NO_RIGHT"]
    assert counts.rows["repeated"] == 0
    assert list(tables(store)["other"]) == ["m3"]


def test_a_session_that_has_ended(store: SnowflakeStore, account: Snowflake) -> None:
    """The connector renews it; one that cannot be renewed costs a load that is made again."""
    load(store, [order(1, total=5)])
    account.trouble("SELECT MAX", account.expire)
    load(store, [order(2, total=5)])
    account.trouble("PUT ", lambda: account.expire(wholly=True))

    failure = why(store, lambda: load(store, [order(3, total=5)]))
    load(store, [order(3, total=5)])

    assert (failure.kind, failure.code) == ("retry", "SESSION_EXPIRED")
    assert sorted(tables(store)["order_completed"]) == ["m1", "m2", "m3"]


def test_a_short_outage_is_not_seen(store: SnowflakeStore, account: Snowflake) -> None:
    """The connector repeats a call that nobody answered."""
    for where in ("/session/v1/login-request", "SELECT MAX", "/stages/"):
        account.trouble(where, Hung())

    load(store, EVENTS)

    assert list(tables(store)["other"]) == ["m3"]


def test_a_value_that_is_too_large_is_rejected(
    store: SnowflakeStore, account: Snowflake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivery then halves the load until the event is by itself."""
    monkeypatch.setattr(snowflake_sql, "LARGEST", 100_000)
    failure = why(store, lambda: load(store, [order(1, said="x" * 100_000)]))

    assert (failure.kind, failure.code) == ("rejected", "TOO_LARGE")
    load(store, [order(2)])
    assert list(tables(store)["tracks"]) == ["m2"]


def test_nothing_is_left_behind(store: SnowflakeStore, account: Snowflake, caplog: pytest.LogCaptureFixture) -> None:
    """When no load waits, the session ends, and its stage and staging table with it. The connector logs nothing."""
    with caplog.at_level(logging.INFO):
        load(store, EVENTS)
        assert account.files
        store.idle()

    assert not account.files
    assert not account.sessions
    assert [record.getMessage() for record in caplog.records if record.name.startswith("snowflake")] == []


@pytest.mark.parametrize(
    ("number", "state", "said", "kind", "code"),
    [
        (3001, "42501", "Insufficient privileges to operate on table 'somebody'", "refused", "NO_RIGHT"),
        (2003, "02000", "Schema 'somebody' already exists, but current role has no privileges on it", "refused",
         "NO_RIGHT"),
        (606, "57P03", "No active warehouse selected in the current session.", "refused", "NO_WAREHOUSE"),
        (90073, "22000", "Warehouse 'somebody' cannot be resumed because resource monitor 'x' has exceeded its quota.",
         "refused", "QUOTA"),
        (390100, "28000", "Incorrect username or password was specified.", "refused", "NOT_ACCEPTED"),
        (390422, "08001", "IP 192.0.2.1 is not allowed to access Snowflake. Contact somebody", "refused", "ADDRESS"),
        (2035, "54000", "soft limit on objects of type 'Column' per table was exceeded", "refused",
         "TOO_MANY_COLUMNS"),
        (625, "57014", "Statement 'x' has locked table 'somebody' in transaction 1", "retry", "IN_THE_WAY"),
        (904, "42000", "error line 1 at position 8 invalid identifier '\"SOMEBODY\"'", "retry", "IN_THE_WAY"),
        (604, "57014", "SQL execution canceled", "retry", "STOPPED"),
        (630, "57014", "Statement reached its statement or warehouse timeout of 900 second(s)", "retry", "ETIMEDOUT"),
        (100038, "22018", "Numeric value 'somebody' is not recognized", "rejected", "NOT_CONVERTED"),
        (100035, "22007", "Timestamp 'somebody' is not recognized", "rejected", "NOT_CONVERTED"),
        (100078, "22000", "String 'somebody' is too long and would be truncated", "rejected", "TOO_LARGE"),
        (250001, "08001", "HTTP request failed after retries: login request. last status 503 Service Unavailable",
         "retry", "BACKEND"),
        (1003, "42000", "syntax error line 1 at position 0 unexpected 'somebody'", "retry", "WAREHOUSE_FAILED"),
    ],
)  # fmt: skip
def test_what_it_answers_has_a_name(number: int, state: str, said: str, kind: str, code: str) -> None:
    """No text of its own is passed on: it may hold a value."""
    error = errors.ProgrammingError(msg=said, errno=number, sqlstate=state)

    failure = SnowflakeStore("snowflake://u@xy12345/shop", "hush-4711", None, 2.0).failure(error)

    assert (failure.kind, failure.code) == (kind, code)
    assert "somebody" not in failure.detail


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ('SELECT "id" FROM "WEB"."TRACKS"', 904),  # small letters in quotes are another name
        ('ALTER TABLE "WEB"."ORDER_COMPLETED" ALTER COLUMN "TOTAL" SET DATA TYPE NUMBER(38, 0)', 2108),
        ('TRUNCATE TABLE "WEB"."TRACKS"', 1003), ("SELECT", 1003), ('SELECT 1 FROM "WEB"."NONE"', 2003),
    ],
)  # fmt: skip
def test_the_double_refuses_what_snowflake_does(store: SnowflakeStore, sql: str, number: int) -> None:
    load(store, [order(1, total=5)])

    with pytest.raises(errors.Error) as refused:
        store.rows(sql)

    assert refused.value.errno == number


def test_the_double_commits_at_ddl_and_rolls_back_at_the_end(store: SnowflakeStore) -> None:
    load(store, [order(1)])
    for then in ('CREATE TABLE "WEB"."MORE" ("ID" VARCHAR)', "SELECT 1"):
        store.execute("BEGIN TRANSACTION")
        store.execute('INSERT INTO "WEB"."TRACKS" ("ID") VALUES (?)', [then[:6]])
        store.execute(then)
        store.rollback()

    assert sorted(tables(store)["tracks"]) == ["CREATE", "m1"]
