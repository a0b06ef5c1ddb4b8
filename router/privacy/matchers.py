"""Recognise personal data by its value: each matcher takes a text and says whether such a value stands in it.

A value may stand anywhere in the text; an IP address or a telephone number must be the whole of it, since version
numbers and amounts would be taken for them otherwise. All run in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

import re2

Matcher = Callable[[str], bool]

_QUIET = re2.Options()
_QUIET.log_errors = False
_SHORTEST = 7  # characters of an IPv4 address; shorter are only e-mail and IPv6 addresses
_CHARACTERISTIC = re.compile("[0-9@:]")
_EMAIL = re.compile(r"@(?<=[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]@)[A-Za-z0-9-]++\.[A-Za-z0-9-]")
_PHONE = re.compile(
    r"[ \t\n\f\r]*(?:\+[0-9][0-9 ().\-/]{6,22}|\(?[0-9]{3}\)?[ .\-][0-9]{3}[ .\-][0-9]{4})[ \t\n\f\r]*", re.ASCII
)
_DIGITS = re.compile(r"[0-9](?:[ -]?[0-9]){12,18}")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b")
# What an IBAN in plain ASCII has at least; looked for from its first two digits, which are rarer than letters.
_LIKE_IBAN = re.compile(r"[0-9]{2}(?<=[A-Za-z]{2}[0-9]{2})(?: ?[A-Za-z0-9]){11}")
_IP_CHARACTERS = frozenset("0123456789abcdefABCDEF.:%")
# First digits and lengths of the card networks; a number of milliseconds since 1970 begins with 1 and fits none.
_CARDS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12,15}|62[0-9]{14,17}"
)


def suspect(text: str) -> bool:
    """False: none of MATCHERS finds anything in the text. Most texts are done with this one look."""
    if len(text) < _SHORTEST:
        return "@" in text or ":" in text
    return _CHARACTERISTIC.search(text) is not None


def email(text: str) -> bool:
    """An e-mail address anywhere in the text."""
    return "@" in text and _EMAIL.search(text) is not None


def phone(text: str) -> bool:
    """The text is a telephone number: with a plus, 7 to 15 digits, or in the North American form."""
    if len(text) > 40 or _PHONE.fullmatch(text) is None:
        return False
    return 7 <= sum(map(str.isdigit, text)) <= 15


def card(text: str) -> bool:
    """A payment card number, with blanks or hyphens or without, whose check digit is right."""
    for found in _DIGITS.finditer(text):
        digits = re.sub("[ -]", "", found[0])
        if _CARDS.fullmatch(digits) and luhn(digits):
            return True
    return False


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def ip(text: str) -> bool:
    """The text is an IPv4 or IPv6 address."""
    text = text.strip()
    if len(text) > 60 or not (text.count(".") == 3 or text.count(":") >= 2):
        return False
    if not _IP_CHARACTERS.issuperset(text.partition("%")[0]):
        return False
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def iban(text: str) -> bool:
    """An international bank account number anywhere in the text, whose check digits are right."""
    if text.isascii() and _LIKE_IBAN.search(text) is None:
        return False
    return any(_iban_is_right(found[0].replace(" ", "")) for found in _IBAN.finditer(text.upper()))


def _iban_is_right(number: str) -> bool:
    """Text may go on behind the account number: each length down to the shortest is tried."""
    return any(_remainder(number[:length]) == 1 for length in range(min(len(number), 34), 14, -1))


def _remainder(number: str) -> int:
    turned = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97


def pattern(expression: str) -> Matcher:
    """A pattern of one's own, found anywhere in the text. Raises ValueError for what RE2 does not take."""
    try:
        compiled = re2.compile(expression, _QUIET)
    except re2.error as error:
        said = error.args[0]
        reason = said.decode() if isinstance(said, bytes) else str(said)
        raise ValueError(f"expected a pattern that RE2 takes, got {expression}: {reason}") from None
    if compiled.fullmatch("") is not None:
        raise ValueError(f"expected a pattern that does not match the empty text, got {expression!r}")

    def matches(text: str) -> bool:
        try:
            return compiled.search(text) is not None
        except UnicodeEncodeError:  # half of a surrogate pair: JSON allows it, UTF-8 has no bytes for it
            return compiled.search(text.encode("utf-8", "replace").decode()) is not None

    return matches


MATCHERS: dict[str, Matcher] = {"email": email, "phone": phone, "card": card, "ip": ip, "iban": iban}
