"""The pages' templates and static files, read from the package. Everything in a template is escaped; nothing is exempt.

Static files are served under a hash of them all: a browser may keep them for ever, and relative imports stay whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from router.console import text
from router.console.over_time import points, sentence

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page answers: a template with its values, in the frame that all share. `title` is the page's h1."""

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True)
class StaticFile:
    body: bytes
    content_type: str


def render(shown: Shown, frame: Mapping[str, Any]) -> str:
    """The page as HTML."""
    values = {"title": shown.title, **frame, **shown.values}
    return _environment().get_template(shown.template).render(values)


@cache
def static_files() -> Mapping[str, StaticFile]:
    """By name, such as `console.css`."""
    paths = sorted(path for path in STATIC.iterdir() if path.suffix in TYPES)
    return {path.name: StaticFile(path.read_bytes(), TYPES[path.suffix]) for path in paths}


@cache
def revision() -> str:
    """A hash of all static files."""
    digest = blake2b(digest_size=8)
    for name, file in static_files().items():
        digest.update(name.encode() + b"\0" + file.body)
    return digest.hexdigest()


@cache
def _environment() -> Environment:
    made = Environment(
        autoescape=True, loader=FileSystemLoader(_HERE / "templates"), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "visible": text.visible, "name": text.name, "number": text.number, "exact": text.exact,
        "duration": text.duration, "moment": text.moment, "clock": text.clock, "payload": text.payload,
        "points": points, "sentence": sentence, "at": text.at,
    }  # fmt: skip
    made.globals |= {"share": text.share, "static": lambda file: f"/static/{revision()}/{file}"}
    return made
