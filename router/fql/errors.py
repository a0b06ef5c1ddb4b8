"""What can be wrong: with a query, which is an exception, and with a value it meets, which is a result."""

from __future__ import annotations

from dataclasses import dataclass

from router.errors import RouterError


class FqlError(RouterError):
    """A query that is refused. `line` and `column` count characters from 1; `hint`: what was probably meant, or ""."""

    def __init__(self, line: int, column: int, expected: str, got: str, hint: str = "") -> None:
        self.line = line
        self.column = column
        self.expected = expected
        self.got = got
        self.hint = hint
        place = f"column {column}" if line == 1 else f"line {line}, column {column}"
        meant = f" (did you mean {hint}?)" if hint else ""
        super().__init__(f"{place}: expected {expected}, got {got}{meant}")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value of a type that the query cannot use there. It holds no value of the event; as a condition it is false.

    `column`: of the operator or function, in the query.
    """

    column: int
    expected: str
    got: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return f"column {self.column}: expected {self.expected}, got {self.got}"


class MismatchSignal(Exception):
    """Carries a Mismatch out of a condition that is being evaluated; it never leaves `Query.evaluate`."""

    def __init__(self, mismatch: Mismatch) -> None:
        self.mismatch = mismatch
