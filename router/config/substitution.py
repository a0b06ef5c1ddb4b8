"""`${NAME}`, `${NAME:-default}`, `${file:/run/secrets/name}` and `$${` (a literal `${`) inside scalars.

Replaced after parsing, then typed by YAML's core schema. A text field still gets the very text (a key `007` stays
`007`): a `Scalar` holds its candidates, and validation moves on to the next one where the first does not fit.
Placeholders stand for what is not known (without an environment, or after a problem was noted), and take on whatever
kind their field asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from router.document import Document, Pointer, nearest, typed
from router.errors import Problem

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\Z", re.DOTALL)
_SECRET = frozenset(("settings", "write_keys"))  # keys of a topology under which secrets stand
_P256 = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg"
    "9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
)
_STAND_INS = (
    *("1", "true", "1s", "1/s", "http://placeholder.invalid/", "127.0.0.1:1", "2000-01-01T00:00:00Z"),
    f"placeholder:{'A' * 86}",  # of privacy.key
    _P256,  # the base point of the curve, which is a public key by its form
)


@dataclass
class Scalar:
    """A substituted value: `candidates` in the order they are tried.

    `secret` says that (part of) it came from the environment or a secrets file and must not be shown; `defaulted` that
    a default stood in for an unset variable; `placeholder` that what stands here is not known.
    """

    candidates: tuple[Any, ...]
    secret: bool = False
    defaulted: bool = False
    choice: int = 0
    placeholder: bool = False

    @property
    def value(self) -> Any:
        return self.candidates[self.choice]

    def keep_text(self) -> None:
        """Choose the text itself over what YAML reads in it."""
        self.choice = next(number for number, value in enumerate(self.candidates) if isinstance(value, str))

    def advance(self) -> bool:
        """Move on to the next candidate; False when there is none."""
        if self.choice + 1 == len(self.candidates):
            return False
        self.choice += 1
        return True


@dataclass
class _Found:
    """What the references of one scalar turned out to be."""

    any: bool = False
    secret: bool = False
    defaulted: bool = False
    placeholder: bool = False


class Substitution:
    """Substitutes the scalars of one document and collects problems.

    `env` None: placeholders are used. `reads` is called with each secrets file before it is read. Without `secrets`
    placeholders stand for what is not set or not readable in connectors' settings and write keys.
    """

    def __init__(
        self,
        document: Document,
        env: Mapping[str, str] | None,
        reads: Callable[[Path], object] = lambda _: None,
        *,
        secrets: bool = True,
    ) -> None:
        self.document = document
        self.env = env
        self._secrets = secrets
        self.problems: list[Problem] = []
        self._reads = reads

    def __call__(self, text: str, pointer: Pointer) -> Scalar | str:
        """The scalar with its references replaced; text without references stays text."""
        if "\0" in text:  # no path, URL or name may have one, and most of what gets it would raise an error of its own
            self.problems.append(self.document.problem(pointer, "expected text without the character U+0000, got one"))
            return text.replace("\0", "")
        if "${" not in text:
            return text
        found = _Found()
        texts = [self._render(text, pointer, found)]
        if not found.any:
            return texts[0]
        if found.placeholder:
            texts += [self._render(text, pointer, found, stand_in) for stand_in in _STAND_INS]
        candidates = {repr(value): value for t in texts for value in (typed(t), t)}
        return Scalar(tuple(candidates.values()), found.secret, found.defaulted, placeholder=found.placeholder)

    def _render(self, text: str, pointer: Pointer, found: _Found, stand_in: str = "") -> str:
        return _REFERENCE.sub(partial(self._value, pointer=pointer, found=found, stand_in=stand_in), text)

    def _value(self, match: re.Match[str], pointer: Pointer, found: _Found, stand_in: str) -> str:
        if match[0] == "$${":
            return "${"
        found.any = True
        if match[1].startswith("file:") and match[0].endswith("}"):
            return self._file(match[1][5:], pointer, found, stand_in)
        name = _NAME.match(match[1])
        if name and match[0].endswith("}"):
            return self._variable(name[1], name[2], pointer, found, stand_in)
        self._report(pointer, "expected ${NAME}, ${NAME:-default}, ${file:PATH} or $${ for a literal, got another form")
        return ""

    def _variable(self, name: str, default: str | None, pointer: Pointer, found: _Found, stand_in: str) -> str:
        value = (self.env or {}).get(name)
        if value or (value is not None and default is None):
            found.secret = True
            return value
        if default is not None:
            found.defaulted = True
            return default
        if self.env is not None:
            message = f"expected the environment variable {name} to be set, got nothing"
            self._report(pointer, message, nearest(name, self.env))
        found.placeholder = True
        return stand_in or "placeholder-" + name.lower().replace("_", "-")

    def _file(self, path: str, pointer: Pointer, found: _Found, stand_in: str) -> str:
        if self.env is not None:
            file = Path(self.document.file).parent / path
            self._reads(file)
            try:
                text = file.read_text("utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "other bytes than UTF-8"
                self._report(pointer, f"expected a readable file {path}, got {why}")
            else:
                found.secret = True
                if "\0" not in text:
                    return text
                self._report(pointer, f"expected text in {path}, got the character U+0000")
        found.placeholder = True
        return stand_in or "placeholder-" + Path(path).name

    def _report(self, pointer: Pointer, message: str, hint: str = "") -> None:
        if not self._secrets and (_SECRET.intersection(pointer) or pointer == ("privacy", "key")):
            return
        self.problems.append(self.document.problem(pointer, message, hint))
