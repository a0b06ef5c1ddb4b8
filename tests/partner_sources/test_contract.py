"""What every partner source promises, whatever the partner is like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from router.destinations.registry import destination_types
from router.events.event import Body, Limits, shape_problem
from router.events.parser import Repairs, encode
from router.events.times import is_canonical
from router.partner_sources.base import FAILED, UNKNOWN_EVENT, PartnerSource, Post, PostedItem
from router.partner_sources.catalog import PARTNER_SOURCES
from tests.partner_sources.doubles import DOUBLES
from tests.partner_sources.doubles.double import NOW, OTHER_KEY, PartnerDouble

ODD: tuple[Any, ...] = (None, "", " ", 0, -1.5, True, [], {}, [None], {"a": None}, "x" * 300, 10**30, "名前\u200d🛒")
NO_EVENT = {"no_id", "no_event", "no_group_id", "bad_id", "message_id_too_long", "unknown_type", "not_an_object"}
every_partner = pytest.mark.parametrize("double", DOUBLES, ids=lambda double: double.type)


def read(source: PartnerSource, *posts: Post) -> list[PostedItem]:
    return [found for post in posts for found in source.read(post)]


def events(source: PartnerSource, *posts: Post) -> list[Body]:
    """The events of posts in which there is nothing else."""
    found = read(source, *posts)
    assert [one.reason for one in found if one.event is None] == []
    return [one.event for one in found if one.event is not None]


def test_every_partner_has_a_double() -> None:
    assert {double.type for double in DOUBLES} == set(PARTNER_SOURCES)


@every_partner
def test_a_signed_post_is_taken_and_its_events_are_complete(double: PartnerDouble) -> None:
    source = double.source()
    posts = double.posts(double.items)

    assert [source.verify(post, NOW) for post in posts] == [""] * len(posts)
    for event in events(source, *posts):
        assert shape_problem(event, Limits(), Repairs()) == ""
        assert 0 < len(event["messageId"]) <= 100
        assert event["messageId"].startswith(f"{double.type}:")
        assert is_canonical(event["timestamp"])
        assert event["channel"] == "server"  # or the gateway would give it the address of the partner's server
        encode(event)


@every_partner
def test_a_post_of_others_is_refused(double: PartnerDouble) -> None:
    source, body = double.source(), double.body(double.items[:1])
    post = double.post(body)

    assert source.verify(double.post(body, key=OTHER_KEY), NOW) == "bad_signature"
    assert source.verify(replace(post, headers=CIMultiDict(), query=""), NOW) == "no_signature"
    for garbage in ("é", "=", "0" * 400, "\udcff"):
        headers = CIMultiDict(dict.fromkeys(post.headers, garbage))
        garbled = replace(post, headers=headers, query="token=%FF")
        assert source.verify(garbled, NOW) in ("bad_signature", "no_signature")


@every_partner
def test_a_signature_covers_what_the_partner_signs(double: PartnerDouble) -> None:
    source, post = double.source(), double.post(double.body(double.items))
    other = replace(post, body=post.body.replace(b"ada@example.com", b"eve@example.com").replace(b"u42", b"u43"))

    assert other.body != post.body
    assert source.verify(other, NOW) == ("bad_signature" if double.signs_body else "")


@every_partner
def test_a_signature_of_yesterday_is_refused_where_a_time_is_signed(double: PartnerDouble) -> None:
    source, body = double.source(), double.body(double.items[:1])

    for moment in (NOW - 86_400, NOW + 86_400):
        assert source.verify(double.post(body, moment), NOW) == ("stale_signature" if double.signs_time else "")


@every_partner
def test_a_test_of_the_connection_is_taken(double: PartnerDouble) -> None:
    source = double.source()

    for ping in double.pings():
        assert source.verify(ping, NOW) == ""
        assert {one.reason for one in read(source, ping)} <= {""}


@pytest.mark.parametrize("double", [one for one in DOUBLES if one.unknown is not None], ids=lambda double: double.type)
def test_a_type_from_next_year_is_kept_and_can_be_named(double: PartnerDouble) -> None:
    post = double.post(double.body([double.unknown]))
    (found,) = read(double.source(), post)
    assert (found.event, found.reason) == (None, UNKNOWN_EVENT)
    assert found.item == double.unknown

    kind = double.source().kind(found.item)  # type: ignore[attr-defined]
    (named,) = events(double.source(events={kind: "Something New"}), post)
    assert (named["type"], named["event"]) == ("track", "Something New")


@every_partner
def test_the_same_post_twice_is_the_same_events(double: PartnerDouble) -> None:
    once, twice = (
        [event["messageId"] for event in events(double.source(), *double.posts(double.items))] for _ in range(2)
    )

    assert once == twice
    assert len(set(once)) == len(once)


@every_partner
def test_the_order_of_an_items_keys_does_not_matter(double: PartnerDouble) -> None:
    turned = [dict(reversed(item.items())) for item in double.items]

    once, again = (events(double.source(), *double.posts(each)) for each in (double.items, turned))
    assert [event["messageId"] for event in once] == [event["messageId"] for event in again]


@every_partner
def test_names_in_other_scripts_arrive_as_they_are(double: PartnerDouble) -> None:
    plain = json.dumps(double.items, ensure_ascii=False)
    text = plain.replace("ada@example.com", "अदा@उदाहरण.भारत").replace("u42", "利用者-٤٢")
    found = json.dumps(events(double.source(), *double.posts(json.loads(text))), ensure_ascii=False)

    assert text != plain
    for name in ("अदा@उदाहरण.भारत", "利用者-٤٢"):
        assert (name in found) == (name in text)


@every_partner
def test_nothing_that_stands_in_an_item_makes_it_fail(double: PartnerDouble) -> None:
    """Each field in turn is null, empty, of another type, long, in another script; an event may lack its ids then."""
    source = double.source()
    for item in (*double.items, *([double.unknown] if double.unknown else [])):
        for odd in odd_forms(item):
            for found in read(source, *double.posts([odd])):
                assert found.reason != FAILED
                if found.event is not None:
                    assert shape_problem(found.event, Limits(), Repairs()) in {"", *NO_EVENT}
                    encode(found.event)


@pytest.mark.parametrize("double", [one for one in DOUBLES if one.batches], ids=lambda double: double.type)
def test_items_that_are_no_objects_take_no_neighbour_with_them(double: PartnerDouble) -> None:
    odd: list[Any] = [None, 1, "text", [], double.items[0]]
    found = read(double.source(), *double.posts(odd))

    assert [one.reason for one in found][:4] == ["not_object"] * 4
    assert found[-1].event is not None


@every_partner
def test_a_huge_batch_is_read_whole(double: PartnerDouble) -> None:
    count = 2_000
    item = json.dumps(double.items[0])
    marked = [json.loads(item.replace("u42", f"u{number}")) | {"n": number} for number in range(count)]
    found = events(double.source(), *double.posts(marked[: count if double.batches else 3]))

    assert len(found) >= (count if double.batches else 3)


@every_partner
def test_an_event_does_not_go_back_where_it_came_from(double: PartnerDouble) -> None:
    source = double.source()
    destination = destination_types().get(double.type)
    for event in events(source, *double.posts(double.items)):
        if source.partner and destination is not None and double.type != "segment":
            assert source.partner in destination.integrations
            assert event["integrations"] == {source.partner: False}
            assert event["context"]["integration"] == {"name": source.partner}


def odd_forms(item: Any) -> Iterator[Any]:
    """The item with one of its fields, at any depth, made odd or left out."""
    for place in list(places(item)):
        for odd in ODD:
            yield changed(item, place, odd)
        yield changed(item, place, ...)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    key, *rest = path
    copy = value.copy()
    if rest:
        copy[key] = changed(copy[key], tuple(rest), new)
    elif new is ...:
        del copy[key]
    else:
        copy[key] = new
    return copy
