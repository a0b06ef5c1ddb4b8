"""A PostgreSQL server of one's own: in a folder, behind a socket in it, run by a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PACKAGED = Path("/usr/lib/postgresql")  # Debian keeps each version's programs apart, not on the PATH


def programs() -> Path | None:
    """The folder with initdb, postgres and pg_ctl; the newest version's where there are several."""
    found = shutil.which("initdb")
    folders = sorted(_PACKAGED.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    candidates = [Path(found).resolve().parent, *folders] if found else folders
    return next((folder for folder in candidates if (folder / "postgres").exists()), None)


def missing() -> str:
    """Why there is no PostgreSQL; empty where there is."""
    return "" if programs() else "PostgreSQL is not installed (Debian: apt-get install postgresql)"


@contextmanager
def running() -> Iterator[str]:
    """A server until the end of the context: the folder of its socket. Superuser: postgres, hush-4711."""
    bin_folder = programs()
    assert bin_folder is not None
    folder = Path(tempfile.mkdtemp(prefix="router-pg-"))
    who = _other_user(folder)
    secret = folder / "password"
    secret.write_text("hush-4711")
    secret.chmod(0o644)
    data = folder / "data"
    try:
        _run(
            [bin_folder / "initdb", "-D", data, "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}", "-N",
             "--encoding=UTF8", "--locale=C.UTF-8"], who,
        )  # fmt: skip
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        control = [bin_folder / "pg_ctl", "-D", data, "-w", "-t", "120"]
        _run([*control, "-l", folder / "log", "-o", options, "start"], who)
        try:
            yield str(folder)
        finally:
            _run([*control, "-m", "immediate", "stop"], who)
    finally:
        shutil.rmtree(folder)


def _other_user(folder: Path) -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _run(command: list[Any], who: dict[str, Any]) -> None:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        list(map(str, command)), env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, timeout=180, check=False, **who,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
