"""Personal data hashed for advertisers, each by its own rules: the same mail hashes differently at Meta and Google.

Every function gives 64 hex digits (SHA-256), or an empty text where the value cannot be normalised: a wrong hash
matches nobody and hides the fault. What is 64 hex digits already is taken for a hash and stays.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Literal

from router.mapping.days import yyyymmdd

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")
_GMAIL = ("gmail.com", "googlemail.com")
_HONORIFICS = re.compile(r"^(mr|mrs|ms|miss|dr|prof)\.?\s+|[\s,]+(jr|sr|ii|iii|iv|phd|md)\.?$")
_STATE_NAMES = """
alabama=al alaska=ak arizona=az arkansas=ar california=ca colorado=co connecticut=ct delaware=de florida=fl georgia=ga
hawaii=hi idaho=id illinois=il indiana=in iowa=ia kansas=ks kentucky=ky louisiana=la maine=me maryland=md
massachusetts=ma michigan=mi minnesota=mn mississippi=ms missouri=mo montana=mt nebraska=ne nevada=nv newhampshire=nh
newjersey=nj newmexico=nm newyork=ny northcarolina=nc northdakota=nd ohio=oh oklahoma=ok oregon=or pennsylvania=pa
rhodeisland=ri southcarolina=sc southdakota=sd tennessee=tn texas=tx utah=ut vermont=vt virginia=va washington=wa
westvirginia=wv wisconsin=wi wyoming=wy districtofcolumbia=dc
"""
_STATES = dict(pair.split("=") for pair in _STATE_NAMES.split())
MetaField = Literal["em", "ph", "fn", "ln", "fi", "ge", "db", "ct", "st", "zp", "country"]


def is_email(value: str) -> bool:
    return _EMAIL.match(value) is not None


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() if text else ""


def meta(field: MetaField, value: str, country: str = "") -> str:
    """A field of Meta's `user_data` or audiences. `country` (two letters) decides how US postal codes are cut."""
    given = value.strip().lower()
    return given if _HASH.match(given) else sha256(_meta(field, given, country.strip().lower()))


def _meta(field: MetaField, text: str, country: str) -> str:
    match field:
        case "em":
            return text if is_email(text) else ""
        case "ph":
            return re.sub(r"[^0-9]", "", text).lstrip("0")
        case "fn" | "ln":
            return _without_punctuation(text)
        case "fi":
            return _without_punctuation(text)[:1]
        case "ge":
            return text[0] if text in ("m", "f", "male", "female") else ""
        case "db":
            return yyyymmdd(text)
        case "ct":
            return re.sub(r"\s", "", _without_punctuation(text))
        case "st":
            plain = re.sub(r"\s", "", _without_punctuation(text))
            return _STATES.get(plain, plain)
        case "zp":
            return _postal_code(text, country)
        case "country":
            return text if re.fullmatch(r"[a-z]{2}", text) else ""


def _postal_code(text: str, country: str) -> str:
    american = country == "us" or (not country and re.fullmatch(r"\d{5}-\d{4}", text) is not None)
    plain = re.sub(r"[\s-]", "", text)
    return plain[:5] if american else plain


def google_email(value: str) -> str:
    """Without white space; at Gmail also without dots and what follows a plus."""
    text = re.sub(r"\s", "", value).lower()
    if _HASH.match(text):
        return text
    name, _, domain = text.partition("@")
    if domain in _GMAIL:
        text = f"{name.partition('+')[0].replace('.', '')}@{domain}"
    return sha256(text) if is_email(text) else ""


def google_phone(value: str) -> str:
    """E.164: a plus and digits with the country code; a number without one cannot be matched and is left out."""
    text = value.strip().lower()
    if _HASH.match(text):
        return text
    international = text.startswith(("+", "00"))
    digits = re.sub(r"[^0-9]", "", text).lstrip("0")
    return sha256(f"+{digits}") if international and 8 <= len(digits) <= 15 else ""


def google_name(value: str) -> str:
    """Given or family name, without titles."""
    text = value.strip().lower()
    return text if _HASH.match(text) else sha256(_HONORIFICS.sub("", text).strip())


def adroll_email(value: str, method: Literal["none", "md5", "sha256"]) -> str:
    """Lower case, trimmed; as plain text, or hashed as the account wants it."""
    text = value.strip().lower()
    if not is_email(text):
        return ""
    if method == "none":
        return text
    return sha256(text) if method == "sha256" else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _without_punctuation(text: str) -> str:
    """Letters of every script, marks, digits and blanks."""
    return "".join(one for one in text if unicodedata.category(one)[0] in "LMN" or one == " ").strip()
