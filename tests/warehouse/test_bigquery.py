"""BigQuery: Google's client library against its REST API on DuckDB, and what its troubles are called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core import exceptions

from router.warehouse.store import WarehouseStore
from router.warehouse.store_bigquery import BigQueryStore
from tests.warehouse import bigquery, test_load
from tests.warehouse.bigquery import BigQuery, Refused
from tests.warehouse.databases import MemoryStore, columns, event, load, order, tables, unlocked

EVENTS = [order(1, total=5), event(2, "identify", traits={"plan": "pro"}), event(3, event="Other")]
DENIED = "Access Denied: Dataset shop-4711:web: Permission bigquery.tables.create denied for somebody"


@pytest.fixture
def google() -> Iterator[BigQuery]:
    with bigquery.running() as made:
        yield made


def connected(google: BigQuery, *, project: str = "shop-4711", key_file: Path | None = None) -> BigQueryStore:
    return BigQueryStore(f"bigquery://{project}?location=EU&endpoint={google.url}", key_file, 2.0)


@pytest.fixture
def store(google: BigQuery) -> Iterator[BigQueryStore]:
    made = connected(google)
    yield made
    made.close()


@pytest.mark.parametrize(
    "rule",
    [
        test_load.test_a_repeat_drops_by_its_id_days_later,
        test_load.test_a_column_of_whole_numbers_becomes_one_of_fractions,
        test_load.test_texts_come_back_as_they_were,
        test_load.test_each_source_has_a_schema_of_its_own,
        test_load.test_a_database_and_one_in_memory_hold_the_same,
    ],
    ids=lambda rule: rule.__name__.removeprefix("test_"),
)
def test_what_holds_in_the_others_holds_here(rule: Callable[[WarehouseStore], None], store: BigQueryStore) -> None:
    rule(store)


def test_nothing_of_a_load_that_fails_is_there(
    store: BigQueryStore, google: BigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the commit nothing is written; the script is one transaction; what is uploaded is dropped or expires."""
    test_load.test_nothing_of_a_load_that_fails_is_there(store, monkeypatch)
    before = tables(store)
    google.trouble("BEGIN TRANSACTION", Refused(403, "quotaExceeded", "Quota exceeded: somebody"))
    with pytest.raises(Exception) as failed:  # noqa: PT011  of the client's own, which are not compared
        load(store, [order(4, total=1)])

    assert (store.failure(failed.value).kind, store.failure(failed.value).code) == ("retry", "QUOTA")
    assert tables(store) == before
    load(store, [order(4, total=1)])
    assert tables(store)["order_completed"]["m4"]["total"] == 1


def test_an_answer_that_was_lost_costs_no_second_row(store: BigQueryStore, google: BigQuery) -> None:
    """The script ran and is asked for once more, by the client or by the next load: it does not run twice."""
    load(store, [order(1, total=5)])
    run = store.execute

    def twice(sql: str, values: object = ()) -> None:
        run(sql)
        if sql.startswith("BEGIN TRANSACTION"):
            run(sql)

    store.execute = twice  # type: ignore[method-assign]
    with pytest.raises(Exception, match="another load was in the way") as failed:
        load(store, [order(2, total=6)])
    store.execute = run  # type: ignore[method-assign]
    (counts,) = load(store, [order(2, total=6)])

    assert store.failure(failed.value).code == "IN_THE_WAY"
    assert (counts.rows["inserted"], counts.rows["repeated"]) == (0, 2)
    assert sorted(tables(store)["order_completed"]) == ["m1", "m2"]


def test_of_two_loads_at_once_the_second_is_made_again(store: BigQueryStore, google: BigQuery) -> None:
    """Both found nothing of the event, and the one that commits first keeps it."""
    load(store, [event(9, event="Other")])
    other = connected(google)
    google.trouble("/upload/", unlocked(google.lock, lambda: load(other, [order(1, total=5)])))
    with pytest.raises(Exception) as failed:  # noqa: PT011
        load(store, [order(1, total=6)])
    load(store, [order(1, total=6)])
    other.close()

    assert store.failure(failed.value).code == "IN_THE_WAY"
    assert {name: row["total"] for name, row in tables(store)["order_completed"].items()} == {"m1": 5}


def test_a_load_of_many_tables_and_much_text(
    store: BigQueryStore, google: BigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several scripts where one would change too many tables; an upload in parts where it is large."""
    monkeypatch.setattr("router.warehouse.store_bigquery._TABLES_AT_A_TIME", 3)
    events = [event(number, event=f"Event {number}", properties={"said": "x" * 1_100_000}) for number in range(1, 6)]
    memory = MemoryStore()
    load(memory, events)

    load(store, events)

    assert google.asked.count("BEGIN TRANSACTION") == 3
    assert tables(store) == tables(memory)
    assert all(columns(store, table) == columns(memory, table) for table in tables(memory))


def test_the_key_of_a_service_account(google: BigQuery, tmp_path: Path) -> None:
    """It is exchanged for a token; a file without a key has a name, and so has one that is not there."""
    google.token = "hush-4711"
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    good, bad = tmp_path / "key.json", tmp_path / "bad.json"
    given = {"type": "service_account", "client_email": "loader@shop-4711", "token_uri": f"{google.url}/token"}
    good.write_text(json.dumps(given | {"private_key": key.decode()}))
    bad.write_text("{}")
    store = connected(google, key_file=good)
    (counts,) = load(store, [order(1, total=5)])
    store.close()

    assert counts.rows["inserted"] == 2
    for file, words in (
        (bad, "key_file holds no key of a service account"), (tmp_path / "none", "there is no such key_file"),
        (None, "the credentials are not accepted"),
    ):  # fmt: skip
        store = connected(google, key_file=file)
        with pytest.raises(Exception) as failed:  # noqa: PT011
            store.ping()
        failure = store.failure(failed.value)
        assert (failure.kind, failure.code, failure.detail) == ("refused", "NOT_ACCEPTED", words)


@pytest.mark.parametrize(
    ("status", "reason", "said", "kind", "code"),
    [
        (403, "accessDenied", DENIED, "refused", "NO_RIGHT"),
        (403, "billingNotEnabled", "Billing has not been enabled for somebody", "refused", "NO_BILLING"),
        (403, "rateLimitExceeded", "Exceeded rate limits", "retry", "QUOTA"),
        (400, "invalidQuery", "Transaction is aborted due to concurrent update", "retry", "IN_THE_WAY"),
        (404, "notFound", "Not found: Dataset x was not found in location US", "refused", "WRONG_LOCATION"),
        (404, "notFound", "Not found: Dataset shop-4711:web", "retry", "GONE"),
        (400, "invalid", "Too many total leaf fields: 10001", "refused", "TOO_MANY_COLUMNS"),
        (400, "invalidQuery", "Bad int64 value: somebody", "rejected", "NOT_CONVERTED"),
        (400, "resourcesExceeded", "Resources exceeded", "rejected", "TOO_LARGE"),
        (413, "", "Request too large", "rejected", "TOO_LARGE"),
        (503, "backendError", "Error encountered during execution", "retry", "BACKEND"),
        (400, "invalidQuery", "Syntax error: somebody", "retry", "WAREHOUSE_FAILED"),
    ],
)
def test_what_it_answers_has_a_name(status: int, reason: str, said: str, kind: str, code: str) -> None:
    """No text of its own is passed on: it may hold a value."""
    error = exceptions.from_http_status(  # type: ignore[no-untyped-call]
        status, said, errors=[{"reason": reason, "message": said}]
    )

    failure = BigQueryStore("bigquery://shop-4711", None, 2.0).failure(error)

    assert (failure.kind, failure.code) == (kind, code)
    assert "somebody" not in failure.detail


def test_an_account_without_rights_changes_nothing(store: BigQueryStore, google: BigQuery) -> None:
    """Neither where a dataset is to be made nor a table; with the right, the next load is sound."""
    codes = []
    for where in ("/datasets", "CREATE TABLE"):
        google.trouble(where, Refused(403, "accessDenied", DENIED))
        with pytest.raises(Exception) as failed:  # noqa: PT011
            load(store, EVENTS[:1])
        codes.append(store.failure(failed.value).code)
    load(store, EVENTS[:1])

    assert codes == ["NO_RIGHT", "NO_RIGHT"]
    assert list(tables(store)["tracks"]) == ["m1"]


def test_a_short_outage_is_not_seen(store: BigQueryStore, google: BigQuery) -> None:
    """The client repeats a call that BigQuery could not answer."""
    google.trouble(
        "LOWER(data_type)", Refused(503, "backendError", "Error encountered during execution. Retrying may help.")
    )

    load(store, EVENTS[:1])

    assert list(tables(store)["tracks"]) == ["m1"]


def test_a_project_that_is_not_there_and_nobody_there_have_names(google: BigQuery) -> None:
    none = connected(google, project="shop-4712")
    nobody = BigQueryStore("bigquery://shop-4711?endpoint=http://127.0.0.1:1", None, 0.2)
    codes = []
    for store in (none, nobody):
        with pytest.raises(Exception) as failed:  # noqa: PT011
            store.ping()
        codes.append(store.failure(failed.value).code)
        store.close()

    assert codes == ["NO_DATABASE", "ECONNREFUSED"]
