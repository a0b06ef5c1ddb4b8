"""One table for each advertiser; vectors that the advertisers publish."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.destinations.shared import hashing
from router.destinations.shared.hashing import MetaField, meta, sha256


@pytest.mark.parametrize(
    ("field", "value", "digest"),
    [
        ("em", "John_Smith@gmail.com", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"),
        ("ph", "1 (650)555-1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"),
        ("fn", "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"),
        ("fn", "Valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"),
    ],
)
def test_meta_s_own_vectors(field: MetaField, value: str, digest: str) -> None:
    assert meta(field, value) == digest


@pytest.mark.parametrize(
    ("field", "value", "normal"),
    [
        ("em", " Ada@Shop.Test ", "ada@shop.test"), ("em", "no mail", ""), ("ph", "+44 (0)", "440"),
        ("ph", "00 49 151 1", "491511"), ("ph", "000", ""), ("ln", "O'Neil-Smith", "oneilsmith"),
        ("fn", "mary ann", "mary ann"), ("fn", "山田", "山田"), ("fi", "Éva", "é"), ("ge", "Female", "f"),
        ("ge", "unknown", ""), ("db", "1990-07-04", "19900704"), ("ct", "New York", "newyork"),
        ("ct", "St. Louis", "stlouis"), ("st", "New York", "ny"), ("st", "Bayern", "bayern"),
        ("zp", "94035-1234", "94035"), ("zp", "SW1A 1AA", "sw1a1aa"), ("country", "US", "us"),
        ("country", "Germany", ""), ("em", "", ""),
    ],
)  # fmt: skip
def test_meta_normalises(field: MetaField, value: str, normal: str) -> None:
    assert meta(field, value) == sha256(normal)


def test_an_american_postal_code_is_cut_by_its_country() -> None:
    assert meta("zp", "940351234", "US") == sha256("94035")
    assert meta("zp", "940351234", "BR") == sha256("940351234")


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        ("J.o.h.n+shop@Gmail.com", "john@gmail.com"), ("j.d+x@googlemail.com", "jd@googlemail.com"),
        ("a.b+c@shop.test", "a.b+c@shop.test"), (" Ada @shop.test", "ada@shop.test"),
        ("j.d@gmail.company", "j.d@gmail.company"), ("no", ""),
    ],
)  # fmt: skip
def test_google_normalises_mail(value: str, normal: str) -> None:
    assert hashing.google_email(value) == sha256(normal)


@pytest.mark.parametrize(
    ("value", "normal"),
    [("+1 (650) 555-1212", "+16505551212"), ("0049 151 12345", "+4915112345"), ("650 555 1212", ""), ("+1", "")],
)
def test_google_wants_phones_with_a_plus_and_a_country(value: str, normal: str) -> None:
    """No country is guessed."""
    assert hashing.google_phone(value) == sha256(normal)


@pytest.mark.parametrize(
    ("value", "normal"), [("Mrs. Ada", "ada"), ("Smith Jr.", "smith"), (" Valéry ", "valéry"), ("Drew", "drew")]
)
def test_google_names_have_no_titles(value: str, normal: str) -> None:
    assert hashing.google_name(value) == sha256(normal)


def test_adroll_takes_mail_as_the_account_wants_it() -> None:
    assert hashing.adroll_email(" Ada@Shop.test", "none") == "ada@shop.test"
    assert hashing.adroll_email("Ada@shop.test", "sha256") == sha256("ada@shop.test")
    assert (
        hashing.adroll_email("Ada@shop.test", "md5") == hashlib.md5(b"ada@shop.test", usedforsecurity=False).hexdigest()
    )
    assert hashing.adroll_email("ada", "none") == ""


def test_a_hash_is_not_hashed_again() -> None:
    """Senders that hash themselves, in either case."""
    digest = sha256("ada@shop.test")

    assert {meta("em", digest.upper()), hashing.google_email(digest), hashing.google_name(digest)} == {digest}


@given(st.sampled_from(["em", "ph", "fn", "ln", "fi", "ge", "db", "ct", "st", "zp", "country"]), st.text(max_size=40))
def test_whatever_comes_is_a_hash_or_nothing(field: MetaField, value: str) -> None:
    for made in (
        meta(field, value),
        hashing.google_email(value),
        hashing.google_phone(value),
        hashing.google_name(value),
    ):
        assert made == "" or (len(made) == 64 and set(made) <= set("0123456789abcdef"))
