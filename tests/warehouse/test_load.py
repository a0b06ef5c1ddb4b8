"""Loads: what tables hold afterwards, in each database."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.warehouse.load import LoadEvent, LoadRules
from router.warehouse.selection import SelectiveSync
from router.warehouse.store import WarehouseStore
from tests.warehouse.databases import MemoryStore, columns, event, load, order, tables


def test_an_event_is_there_in_every_table_it_belongs_to(store: WarehouseStore) -> None:
    (counts,) = load(
        store, [order(1, total=9.99), event(2, "page", name="Home"), event(3, "identify", traits={"a": 1})]
    )

    found = tables(store)
    assert {table: sorted(ids) for table, ids in found.items() if table != "_names"} == {
        "tracks": ["m1"], "order_completed": ["m1"], "pages": ["m2"], "identifies": ["m3"], "users": ["u1"],
        "user_identities": ["user_id:u1"],
    }  # fmt: skip
    assert found["order_completed"]["m1"]["total"] == 9.99
    assert dict(counts.rows) == {"inserted": 4, "repeated": 0, "updated": 2}


def test_a_repeat_drops_by_its_id_days_later(store: WarehouseStore) -> None:
    """Whatever has happened since, and also within one load."""
    load(store, [order(1, total=5), order(1, total=6)], [order(number, total=7) for number in range(2, 50)])
    (counts,) = load(store, [order(1, total=8), order(2, total=8)])

    assert (counts.rows["inserted"], counts.rows["repeated"]) == (0, 4)
    assert len(tables(store)["order_completed"]) == 49
    assert tables(store)["order_completed"]["m1"]["total"] == 5


def test_new_names_become_columns_and_tables(store: WarehouseStore) -> None:
    """Without a restart, for rows that are there as NULL."""
    first, second, third = load(
        store, [order(1, total=5)], [order(2, coupon="X", paid=True, at="2026-01-05")], [event(3, event="Other")]
    )

    found = columns(store, "order_completed")
    assert {name: found[name] for name in ("total", "coupon", "paid", "at")} == {
        "total": "float", "coupon": "text", "paid": "boolean", "at": "datetime",
    }  # fmt: skip
    assert (first.changes["table"], second.changes["column"], third.changes["table"]) == (4, 3, 1)
    assert "coupon" not in tables(store)["order_completed"]["m1"]


def test_a_column_of_whole_numbers_becomes_one_of_fractions(store: WarehouseStore) -> None:
    """Rows that are there keep their value; nothing is cut."""
    _, counts = load(store, [order(1, score=5)], [order(2, score=9.99), order(3, score=6)])

    assert columns(store, "order_completed")["score"] == "float"
    assert counts.changes["widened"] == 1
    found = tables(store)["order_completed"]
    assert [found[f"m{number}"]["score"] for number in (1, 2, 3)] == [5, 9.99, 6]


def test_a_value_of_another_type_stands_in_the_discards(store: WarehouseStore) -> None:
    """Its row is loaded without it; a repeat does not discard it twice."""
    _, counts, _ = load(store, [order(1, total=5)], [order(2, total="12,50 €")], [order(2, total="12,50 €")])

    assert "total" not in tables(store)["order_completed"]["m2"]
    (discard,) = tables(store)["discards"].values()
    assert {name: discard[name] for name in ("table_name", "row_id", "column_name", "column_value", "reason")} == {
        "table_name": "order_completed", "row_id": "m2", "column_name": "total", "column_value": "12,50 €",
        "reason": "type",
    }  # fmt: skip
    assert [one.reason for one in counts.discards] == ["type"]


def test_numbers_in_a_column_of_text_are_text(store: WarehouseStore) -> None:
    load(store, [order(1, code="A1"), order(2, code=17), order(3, code=[1, "b"])])

    found = tables(store)["order_completed"]
    assert [found[f"m{number}"]["code"] for number in (1, 2, 3)] == ["A1", "17", '[1,"b"]']


def test_texts_come_back_as_they_were(store: WarehouseStore) -> None:
    """Whatever means something to a format on the way; and NUL, which no database takes, is another character."""
    texts = [
        "a\tb",
        "a\nb\r\n",
        "\\",
        "\\N",
        "\\.",
        "\\\\t",
        '"',
        "'",
        '","',
        "NULL",
        "日本 \U0001f600",
        "null\0",
        "{}",
        " ",
    ]

    load(store, [order(number, said=text, mark="end") for number, text in enumerate(texts, 1)])

    found = tables(store)["order_completed"]
    assert [found[f"m{number}"]["said"] for number in range(1, len(texts) + 1)] == [
        text.replace("\0", "\ufffd") for text in texts
    ]
    assert {row["mark"] for row in found.values()} == {"end"}


def test_three_thousand_traits(store: WarehouseStore) -> None:
    """Columns up to the limit, the rest in the discards; the event itself and its neighbour are loaded."""
    traits = {f"trait_{number:04}": f"v{number}" for number in range(3_000)}

    (counts,) = load(store, [event(1, "identify", traits=traits), event(2, "identify", traits={"trait_0000": "w"})])

    assert len(columns(store, "identifies")) == len(columns(store, "users")) == LoadRules().columns
    assert sorted(tables(store)["identifies"]) == ["m1", "m2"]
    assert tables(store)["users"]["u1"]["trait_0000"] == "w"
    assert {one.reason for one in counts.discards} == {"too_many_columns"}
    assert len(tables(store)["discards"]) == len(counts.discards) > 5_000
    assert sorted(counts.full) == [("web", "identifies"), ("web", "users")]


def test_events_that_fall_on_one_table_share_it(store: WarehouseStore) -> None:
    """event_text tells them apart, `_names` lists them, and it is said once."""
    same = [event(1, event="Order Completed"), event(2, event="order_completed")]
    first, second = load(store, same, [event(3, event="Order Completed")])

    found = tables(store)
    assert [row["event_text"] for row in found["order_completed"].values()].count("order_completed") == 1
    assert sorted(row["original"] for row in found["_names"].values()) == ["Order Completed", "order_completed"]
    assert (first.shared, second.shared) == ([("web", "order_completed")], [])


def test_a_schema_that_somebody_dropped_is_made_again(store: WarehouseStore) -> None:
    """Between two loads; what comes next fixes the types anew."""
    load(store, [order(1, code=7)])
    store.begin(["web"])
    store.execute('DROP SCHEMA "web" CASCADE')
    store.commit()
    load(store, [order(2, code="A7")])

    assert columns(store, "order_completed")["code"] == "text"
    assert list(tables(store)["tracks"]) == ["m2"]


def test_each_source_has_a_schema_of_its_own(store: WarehouseStore) -> None:
    load(store, [event(1, event="A"), event(1, event="A", source="ios-app")], rules=LoadRules(prefix="cdp_"))

    assert list(tables(store, "cdp_web")["a"]) == list(tables(store, "cdp_ios_app")["a"]) == ["m1"]


def test_selective_sync_by_source_table_and_column(store: WarehouseStore) -> None:
    """What is not selected is neither loaded nor made."""
    select = SelectiveSync(only=["web", "ios.tracks"], skip=["web.debug_*", "web.*.context_ip"])
    events = [
        event(1, event="Debug Shown"), event(2, event="Shown", context={"ip": "192.0.2.1", "locale": "de"}),
        event(3, event="Shown", source="ios"), event(4, event="Shown", source="android"),
    ]  # fmt: skip

    load(store, events, rules=LoadRules(selection=select))

    assert {"debug_shown", "shown"} & tables(store).keys() == {"shown"}
    assert "context_locale" in columns(store, "shown")
    assert "context_ip" not in columns(store, "shown")
    assert set(tables(store, "ios")) - {"_names"} == {"tracks"}
    assert tables(store, "android") == {}


def test_a_late_identify_does_not_overwrite_a_newer_one(store: WarehouseStore) -> None:
    """Column by column, by event time: what only the late one says is taken."""
    newer = event(20, "identify", traits={"plan": "pro"})
    late = event(10, "identify", traits={"plan": "free", "city": "Ulm"})
    latest = event(30, "identify", traits={"seats": 5})

    load(store, [newer], [late], [latest, late])

    user = tables(store)["users"]["u1"]
    assert (user["plan"], user["city"], user["seats"]) == ("pro", "Ulm", 5)
    assert user["timestamp"].startswith("2026-01-01T10:00:30")


def test_an_identifier_belongs_to_the_profile_of_its_newest_event(store: WarehouseStore) -> None:
    one, two = event(1, event="A", anonymousId="a1"), event(2, event="A", anonymousId="a1")

    load(store, [two._replace(profile="p2")], [one])

    found = tables(store)["user_identities"]
    assert {key: row["canonical_segment_id"] for key, row in found.items()} == {
        "user_id:u1": "p2", "anonymous_id:a1": "p2",
    }  # fmt: skip
    assert found["user_id:u1"]["seq"] == 1_767_261_602_000


def test_nothing_of_a_load_that_fails_is_there(store: WarehouseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither rows nor tables nor columns; the next one is sound."""
    load(store, [order(1, total=5)])
    before = tables(store)
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "upsert", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(store, [order(2, coupon="X"), event(3, event="Other")])

    assert tables(store) == before
    load(store, [order(2, coupon="X")])
    assert tables(store)["order_completed"]["m2"]["coupon"] == "X"


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 2.0, "x", "", "2026-01-05", [1], {"b": 1}])
)
EVENTS = st.lists(
    st.builds(
        lambda number, kind, content: event(
            number, kind, event="Shown" if kind == "track" else None, properties=content, traits=content
        ),
        st.integers(1, 20), st.sampled_from(["track", "identify"]),
        st.dictionaries(st.sampled_from(["a", "A", "aB", "total"]), VALUES, max_size=3),
    ),
    min_size=1, max_size=12, unique_by=lambda one: one.body["messageId"],
)  # fmt: skip


def same_tables(one: WarehouseStore, other: WarehouseStore, events: list[LoadEvent], rng: random.Random) -> None:
    """The events in one load, and in some loads of which several are made again, give the same tables."""
    cuts = sorted(rng.sample(range(len(events) + 1), min(3, len(events))))
    parts = [events[start:end] for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    load(one, events)
    load(other, *[part for part in parts for _ in range(rng.choice([1, 1, 2])) if part])

    assert tables(one) == tables(other)
    assert all(columns(one, table) == columns(other, table) for table in tables(one))


@settings(max_examples=40)
@given(events=EVENTS, rng=st.randoms(use_true_random=False))
def test_it_makes_no_difference_how_events_are_cut_into_loads(events: list[LoadEvent], rng: random.Random) -> None:
    """Nor that some are loaded again."""
    same_tables(MemoryStore(), MemoryStore(), events, rng)


def test_a_database_and_one_in_memory_hold_the_same(store: WarehouseStore) -> None:
    """What is shown above of the rules holds with SQL as well."""
    rng = random.Random(4711)
    values = [None, True, 3, 0.5, 2.0, "x", "2026-01-05", [1], {"b": 1}]
    events = [
        event(number, kind, event="Shown" if kind == "track" else None, traits=content, properties=content)
        for number in rng.sample(range(60), 40)
        for kind in (rng.choice(["track", "identify"]),)
        for content in ({name: rng.choice(values) for name in rng.sample(["a", "A", "aB", "total"], 3)},)
    ]
    memory = MemoryStore()

    same_tables(memory, store, events, rng)
    assert len(tables(store)["discards"]) > 5
