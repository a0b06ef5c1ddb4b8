"""Whether a pattern runs in linear time everywhere: on the router's engine, and on those that read exported plans.

The router's engine (Rust's regex) knows no backtracking, so what needs it is refused. A pattern such as `^(a+)+$` is
refused too: it is harmless here and hangs a browser's client that checks the same plan.
"""

from __future__ import annotations

from functools import lru_cache

import jsonschema_rs
import re2

from router.plan.ambiguity import is_exponential
from router.plan.ecma import PatternRefused, for_engine

REGEX = jsonschema_rs.RegexOptions()
_QUIET = re2.Options()
_QUIET.log_errors = False
_LOOKS = {"(?=": "a look-ahead", "(?!": "a look-ahead", "(?<=": "a look-behind", "(?<!": "a look-behind"}


@lru_cache(maxsize=4096)
def pattern_problem(pattern: str) -> str:
    """What is wrong with a pattern, or an empty string."""
    try:
        translated = for_engine(pattern)
        jsonschema_rs.Draft7Validator({"pattern": translated}, pattern_options=REGEX)
    except PatternRefused as refused:
        return str(refused)
    except ValueError:
        return _refusal(pattern)
    if is_exponential(translated):
        return (
            "expected a pattern that runs in linear time everywhere, got a repeat whose parts can match the same "
            "text in several ways, such as (a+)+"
        )
    return ""


def _refusal(pattern: str) -> str:
    """Why the engine refused it, in RE2's words where it refuses too."""
    for sign, what in _LOOKS.items():
        if sign in pattern:
            return (
                f"expected a pattern that runs in linear time, got {what}; use `not` or `allOf` with several patterns"
            )
    try:
        re2.compile(pattern, _QUIET)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0]
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        if "invalid escape sequence" in text:
            text += " (back-references cannot run in linear time)"
        return f"expected a regular expression, got an error: {text}"
    return "expected a regular expression of ECMA-262 (no inline flags) and of moderate size, got another"
