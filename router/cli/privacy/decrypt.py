"""`router privacy decrypt`: what `encrypt` made unreadable, readable again for whoever has the key."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.loading import load, only_topology
from router.cli.options import TopologyOption, with_run_options
from router.config.options import RunOptions
from router.errors import FileError, Problem, UsageError

if TYPE_CHECKING:
    from router.privacy.encryption import Cipher


@with_run_options("env_file")
def command(
    target: Annotated[
        str, typer.Argument(metavar="FILE|-|VALUE", help="A file, - for standard input, or one value enc:v1:….")
    ],
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The key file; left out: the topology's privacy.key."),
    ] = None,
    topology: TopologyOption = [],  # noqa: B006  typer copies it
    *,
    options: RunOptions,
) -> None:
    """Print a file with each encrypted value in it decrypted, or a single value. All else stays as it is.

    A value in quotes becomes JSON: a text in quotes, a number without. Status 1 where one does not decrypt: the lines
    before it are printed.
    """
    from router.privacy.encryption import PREFIX

    cipher = _key_file(key) if key is not None else _of_topology(topology, options)
    if target.startswith(PREFIX):
        lines = _decrypted([target.encode() + b"\n"], "", cipher)
        sys.stdout.buffer.writelines(lines)
    else:
        name = "standard input" if target == "-" else target
        try:
            with nullcontext(sys.stdin.buffer) if target == "-" else Path(target).open("rb") as stream:
                sys.stdout.buffer.writelines(_decrypted(stream, name, cipher))
        except OSError as error:
            raise _unreadable(name, error) from error
        finally:
            sys.stdout.buffer.flush()


def _key_file(path: Path) -> Cipher:
    from router.privacy.encryption import Cipher

    try:
        return Cipher(path.read_text("utf-8"))
    except OSError as error:
        raise _unreadable(str(path), error) from error
    except UnicodeDecodeError as error:
        raise FileError([Problem(str(path), 0, 0, "", "expected a key file, got other bytes than UTF-8")]) from error
    except ValueError as error:
        raise FileError([Problem(str(path), 0, 0, "", str(error))]) from error


def _of_topology(topology: Sequence[Path], options: RunOptions) -> Cipher:
    loaded = load(topology or only_topology(), options, secrets=False)
    cipher = loaded.topology.privacy.cipher()
    if cipher is None:
        raise UsageError("expected --key FILE, or a topology with privacy.key, got one without")
    return cipher


def _decrypted(lines: Iterable[bytes], name: str, cipher: Cipher) -> Iterator[bytes]:
    """Each line with what is encrypted in it readable. Raises FileError at the first text that does not decrypt."""
    from router.privacy.encryption import TOKEN, DecryptionError

    token = re.compile(rb'("?)(%s)("?)' % TOKEN.pattern.encode())
    for number, line in enumerate(lines, 1):

        def plain(found: re.Match[bytes], number: int = number) -> bytes:
            before, text, after = found.groups()
            try:
                value = cipher.decrypt(text.decode())
            except DecryptionError as error:
                column = found.start(2) + 1
                place = (name, number, column) if name else ("value", 0, 0)
                raise FileError([Problem(*place, text.decode()[:24] + "…", str(error))]) from error
            return _json(value) if before and after else before + _text(value) + after

        yield token.sub(plain, line)


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value).encode()


def _text(value: Any) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else _json(value)


def _unreadable(name: str, error: OSError) -> FileError:
    return FileError([Problem(name, 0, 0, "", f"expected a readable file, got {error.strerror}")])
