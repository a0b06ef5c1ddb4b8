"""`router snippet`: what is printed is what runs, and nothing in a key can break out of it."""

from __future__ import annotations

import ast
import json
import shlex
from pathlib import Path

import pytest

from router.gateway.snippets import snippet
from tests.cli.lines import Line
from tests.config.topologies import write

SHOP = """\
name: shop
default_source: batch
sources: {web: {write_keys: [web-key]}, batch: {}}
"""


def test_the_page_of_a_source_loads_the_library_with_its_key(line: Line, tmp_path: Path) -> None:
    ended = line("snippet", "web", "--url", "https://events.example/", "--topology", write(tmp_path, "a.yaml", SHOP))

    assert ended.status == 0
    assert '})("web-key", "https://events.example");' in ended.out
    assert "gateway.analytics_js" in ended.err


def test_the_public_address_of_the_topology_is_used(line: Line, tmp_path: Path) -> None:
    file = write(tmp_path, "a.yaml", SHOP + "gateway: {public_url: https://events.shop.example}\n")
    ended = line("snippet", "web", "--for", "curl", "--topology", file)

    command = shlex.split(ended.out)
    assert command[:3] == ["curl", "-u", "web-key:"]
    assert "https://events.shop.example/v1/track" in command
    assert json.loads(command[-1])["event"] == "First Event"


@pytest.mark.parametrize("source", ["batch", "nope"])
def test_a_source_without_a_key_is_refused_with_those_that_have_one(line: Line, tmp_path: Path, source: str) -> None:
    ended = line("snippet", source, "--topology", write(tmp_path, "a.yaml", SHOP))

    assert ended.status == 2
    assert f"expected a source with write_keys (web), got {source}" in ended.err


def test_a_key_is_quoted_for_its_language() -> None:
    odd = """a'b"$(x)</script> URL"""

    assert "</script> URL" not in snippet("web", odd, "https://e.example")
    assert shlex.split(snippet("curl", odd, "https://e.example"))[2] == f"{odd}:"
    python = ast.parse(snippet("python", odd, "https://e.example"))
    pairs = [one for one in ast.walk(python) if isinstance(one, ast.Tuple) and isinstance(one.ctx, ast.Load)]
    assert [ast.literal_eval(one) for one in pairs] == [(odd, "https://e.example")]
