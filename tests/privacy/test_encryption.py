"""What is encrypted comes back whole for whoever has the key, and is nowhere readable for anybody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.privacy.classes import DataClass, DataClasses
from router.privacy.encryption import PREFIX, Cipher, DecryptionError, new_key
from router.privacy.matchers import MATCHERS

KEY, OLD = f"2026-11:{'A' * 86}", f"2026-01:{'B' * 85}A"
CIPHER = Cipher(KEY)
EMAIL = "Ada@Example.com"
CLASSES = DataClasses(
    [
        DataClass("email", "yellow", ("*email*",), (MATCHERS["email"],)),
        DataClass("iban", "red", (), (MATCHERS["iban"],)),
        DataClass("secret", "red", ("secret",)),
    ],
    CIPHER,
)
SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None), max_size=20)
)
LEAVES = SCALARS | st.none() | st.sampled_from([EMAIL, f"{PREFIX}2026-11:AAAA", "DE89 3704 0044 0532 0130 00"])
TREES = st.recursive(
    LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["a", "email"]), each, max_size=2)
)


def decrypted(value: Any) -> Any:
    """The value with all texts of CIPHER in it decrypted."""
    if isinstance(value, dict):
        return {key: decrypted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [decrypted(inner) for inner in value]
    return CIPHER.decrypt(value) if isinstance(value, str) and CIPHER.made(value) else value


def leaves(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for each in inner for leaf in leaves(each)]


@given(value=SCALARS)
def test_every_value_comes_back_with_its_type(value: Any) -> None:
    text = CIPHER.encrypt(value)

    assert text.startswith("enc:v1:2026-11:")
    assert (CIPHER.decrypt(text), type(CIPHER.decrypt(text))) == (value, type(value))
    assert CIPHER.encrypt(value) == text


@given(tree=TREES)
def test_at_any_nesting_it_is_unreadable_and_comes_back(tree: Any) -> None:
    body = {"traits": {"secret": tree}, "properties": {"free": tree}, "messageId": "m1"}

    treated = CLASSES.treat(body, {"email": "encrypt", "secret": "encrypt"}).body

    assert all(leaf is None or CIPHER.made(leaf) for leaf in leaves(treated["traits"]))
    assert EMAIL not in json.dumps(treated)
    assert decrypted(treated) == body
    assert CLASSES.treat(treated, {"email": "encrypt", "secret": "encrypt"}).body == treated


def test_what_is_encrypted_is_of_no_class_by_its_value() -> None:
    """Encrypted at the source, it reaches destinations that drop what looks like an account number."""
    looks_alike = CIPHER.encrypt("1279@example.com")
    assert MATCHERS["iban"](looks_alike)
    body = {"properties": {"a": looks_alike, "b": looks_alike[:-1] + "~"}}

    assert CLASSES.treat(body, {"iban": "drop"}).body == {"properties": {"a": looks_alike}}
    assert CLASSES.treat({"traits": {"email": looks_alike}}, {"email": "drop"}).body == {"traits": {}}


def test_hash_is_stricter_than_encryption_and_encryption_stricter_than_nothing() -> None:
    body = {"traits": {"email": "DE89 3704 0044 0532 0130 00"}}

    encrypted = CLASSES.treat(body, {"email": "encrypt", "iban": "keep"})
    hashed = CLASSES.treat(body, {"email": "encrypt", "iban": "hash"})

    assert decrypted(encrypted.body) == body
    assert len(hashed.body["traits"]["email"]) == 64


def test_a_new_key_on_top_encrypts_and_the_old_one_still_decrypts() -> None:
    before = Cipher(OLD).encrypt(EMAIL)
    rotated = Cipher(f"# since November\n{KEY}\n\n{OLD}\n")

    assert rotated.encrypt(EMAIL).startswith("enc:v1:2026-11:")
    assert rotated.decrypt(before) == EMAIL
    assert rotated.ids == ("2026-11", "2026-01")


WHOLE = CIPHER.encrypt(EMAIL)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ada", "begins with enc:v1:"),
        ("enc:v1:2026-11", "one that was cut"),
        ("enc:v1:2026-11:AAAA", "one that was cut"),
        ("enc:v1:2026-11:A", "one that was cut"),
        (WHOLE[:-1], "one that was cut"),
        (WHOLE[:47], "cut or changed"),
        (WHOLE[:20] + "AAAA" + WHOLE[24:], "cut or changed"),
        (WHOLE.replace("2026-11", "2026-12"), r"the key file has \(2026-11\), got 2026-12"),
        (Cipher(OLD.replace("2026-01", "2026-11")).encrypt(EMAIL), "another key with this id"),
        (WHOLE + "é", "one that was cut"),
    ],
)
def test_what_does_not_decrypt_is_said_without_a_value(text: str, problem: str) -> None:
    with pytest.raises(DecryptionError, match=problem) as raised:
        CIPHER.decrypt(text)

    assert text not in str(raised.value) or text == "ada"
    assert not CIPHER.made(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "got none"),
        ("2026-11:short", "in line 1"),
        (f"{KEY}\n2026 01:{'A' * 86}", "in line 2"),
        (f"{KEY}\n{KEY}", "2026-11 again in line 2"),
        (KEY[:-1] + "é", "in line 1"),
    ],
)
def test_a_faulty_key_file_is_refused_without_its_keys(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        Cipher(text)

    assert "AAAA" not in str(raised.value)


def test_a_new_key_is_one_of_its_own() -> None:
    assert new_key("k1") != new_key("k1")
    assert Cipher(new_key("k1")).id == "k1"
    with pytest.raises(ValueError, match="got K1"):
        new_key("K1")
