"""A connector of a team's own, with its test: what `router new --connector` writes."""

from __future__ import annotations

from router.cli.repository.render import SOURCE, filled

FOLDER = "connectors"  # a package beside topologies/, where a topology's `type: connectors.module:Class` is found


def connector_class(name: str) -> str:
    """The name of the class: AcmeMail of acme-mail."""
    return "".join(map(str.capitalize, name.split("-")))


def connector_files(name: str) -> dict[str, str]:
    """The text of each file by its path. `name` has lower-case letters, digits and hyphens."""
    said = {
        "name": name,
        "module": name.replace("-", "_"),
        "NAME": name.replace("-", "_").upper(),
        "Class": connector_class(name),
        "Title": " ".join(map(str.capitalize, name.split("-"))),
        "folder": FOLDER,
    }
    return {
        f"{FOLDER}/__init__.py": '"""Connectors of our own."""\n',
        f"{FOLDER}/{said['module']}.py": filled((SOURCE / "connector.txt").read_text("utf-8"), said),
        f"{FOLDER}/test_{said['module']}.py": filled((SOURCE / "connector-test.txt").read_text("utf-8"), said),
    }
