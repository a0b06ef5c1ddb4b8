"""`router privacy key` and `decrypt`: values and files readable again, clear answers where they are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.privacy.encryption import Cipher
from tests.cli.lines import Line
from tests.config.topologies import write

KEY = f"2026-11:{'A' * 86}"
CIPHER = Cipher(KEY)
TOPOLOGY = """\
name: t
sources: {}
privacy: {key: "${file:./privacy.key}"}
"""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write(tmp_path, "privacy.key", KEY + "\n")


def test_a_file_is_as_it_was_but_for_what_was_encrypted(line: Line, tmp_path: Path, key: Path) -> None:
    ada, one = CIPHER.encrypt('Ada "Zoë"'), CIPHER.encrypt(1)
    text = f'{{ "name":"{ada}",  "of": ["{one}", "x"]}}\r\n{ada},plain\n'
    path = write(tmp_path, "events.ndjson", text)

    ended = line("privacy", "decrypt", path, "--key", key)

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.replace("\r\n", "\n") == '{ "name":"Ada \\"Zoë\\"",  "of": [1, "x"]}\nAda "Zoë",plain\n'


def test_a_value_with_the_key_of_the_topology(line: Line, tmp_path: Path, key: Path) -> None:
    topology = write(tmp_path, "t.yaml", TOPOLOGY)

    ended = line("privacy", "decrypt", CIPHER.encrypt("ada@example.com"), "--topology", topology)

    assert (ended.status, ended.out, ended.err) == (0, "ada@example.com\n", "")


def test_a_new_key_is_a_line_of_a_key_file(line: Line) -> None:
    ended = line("privacy", "key", "2026-11")

    assert ended.status == 0
    assert Cipher(ended.out).id == "2026-11"
    assert line("privacy", "key", "November 26").status == 2


def test_what_does_not_decrypt_ends_with_its_place_after_the_lines_before_it(
    line: Line, tmp_path: Path, key: Path
) -> None:
    good, cut = CIPHER.encrypt("Ada"), CIPHER.encrypt("ada@example.com")[:47]
    path = write(tmp_path, "events.ndjson", f'{json.dumps(good)}\n{{"a": "{cut}"}}\n')

    ended = line("privacy", "decrypt", path, "--key", key)

    assert (ended.status, ended.out) == (1, '"Ada"\n')
    assert ended.err.startswith(f"{path}:2:8: ")
    assert "cut or changed" in ended.err
    assert cut not in ended.err


@pytest.mark.parametrize(
    ("content", "problem"),
    [("2026-11:AAAA", "in line 1"), (f"2026-12:{'A' * 86}", "(2026-12), got 2026-11"), ("\ud800", "other bytes")],
)
def test_a_faulty_or_another_key_is_an_error(line: Line, tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "k"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))

    ended = line("privacy", "decrypt", CIPHER.encrypt("Ada"), "--key", path)

    assert (ended.status, ended.out) == (1, "")
    assert problem in ended.err


def test_no_key_and_no_file_are_said(line: Line, tmp_path: Path, key: Path) -> None:
    keyless = write(tmp_path, "t.yaml", "name: t\nsources: {}\n")

    assert "expected --key FILE" in line("privacy", "decrypt", "enc:v1:a:b", "--topology", keyless).err
    assert "got No such file" in line("privacy", "decrypt", tmp_path / "none", "--key", key).err
    assert "got No such file" in line("privacy", "decrypt", "enc:v1:a:b", "--key", tmp_path / "none").err
