"""Writes a plan as files in the documented shape; what `load_plan` reads back is the same plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from router.document import typed
from router.errors import FileError, Problem
from router.plan.model import NAMED, SECTIONS, Naming, Plan, Rule

WIDTH = 110


def write_plan(plan: Plan, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write the plan's files into a folder and give their paths.

    Raises FileError when one of them is there already, before anything is written, unless `overwrite`. Other files of
    the folder stay as they are.
    """
    files = {folder / name: text for name, text in render(plan).items()}
    there = [path for path in files if path.exists()]
    if there and not overwrite:
        raise FileError([Problem(str(path), 0, 0, "", "expected no such file yet, got one") for path in there])
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(files)


def render(plan: Plan) -> dict[str, str]:
    """The text of each file by its path inside the plan's folder."""
    return {name: dump(data) for name, data in contents(plan).items()}


def contents(plan: Plan) -> dict[str, Any]:
    """The data of each file by its path inside the plan's folder."""
    files: dict[str, Any] = {"plan.yaml": _plan(plan)}
    if plan.common:
        files["common.yaml"] = _sections(plan.common)
    return files | {rule.file: _rule(rule) for rule in filed(plan).rules} | dict(plan.defs)


def filed(plan: Plan) -> Plan:
    """The plan with a file for each rule that has none yet, no two the same."""
    taken = {rule.file for rule in plan.rules if rule.file}
    rules = []
    for rule in plan.rules:
        if not rule.file:
            rule = replace(rule, file=_free(rule.path, taken))
            taken.add(rule.file)
        rules.append(rule)
    return replace(plan, rules=tuple(rules))


def _free(path: str, taken: set[str]) -> str:
    stem = path.removesuffix(".yaml")
    number = 2
    while path in taken:
        path, number = f"{stem}-{number}.yaml", number + 1
    return path


def _present(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {key: value for key, value in pairs if value not in ("", None, (), [], {})}


def _plan(plan: Plan) -> dict[str, Any]:
    return {"name": plan.name} | _present(
        (
            ("description", plan.description),
            ("owners", list(plan.owners)),
            ("labels", dict(plan.labels)),
            ("naming", _naming(plan.naming)),
        )
    )


def _naming(naming: Naming) -> dict[str, Any]:
    default = Naming()
    return _present(
        (
            ("events", naming.events if naming.events != default.events else ""),
            ("properties", naming.properties if naming.properties != default.properties else ""),
            ("rules", dict(naming.rules)),
            ("allow", sorted(naming.allow)),
            ("reserved", sorted(naming.reserved)),
            ("synonyms", {word: list(others) for word, others in naming.synonyms.items()}),
        )
    )


def _sections(schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {section: schemas[section] for section in SECTIONS if section in schemas}


def _rule(rule: Rule) -> dict[str, Any]:
    name = {NAMED[rule.type]: rule.name} if rule.type in NAMED and rule.name else {}
    head = _present(
        (
            ("version", rule.version if rule.version != 1 else ""),
            ("description", rule.description),
            ("why", rule.why),
            ("owner", rule.owner),
            ("labels", dict(rule.labels)),
        )
    )
    return {"type": rule.type} | name | head | _sections(rule.schemas) | _examples(rule)


def _examples(rule: Rule) -> dict[str, Any]:
    valid = [example.value for example in rule.examples if example.valid]
    invalid = [
        {"value": example.value} | _present((("fails", list(example.fails)), ("description", example.description)))
        for example in rule.examples
        if not example.valid
    ]
    examples = _present((("valid", valid), ("invalid", invalid)))
    return {"examples": examples} if examples else {}


def dump(data: Any) -> str:
    """YAML as people write it: mappings in blocks, the innermost ones on one line where they fit."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=False)


class _Dumper(yaml.SafeDumper):
    def represent(self, data: Any) -> None:
        root: Any = self.represent_data(data)
        root.flow_style = False
        self.serialize(root)

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Quotes where our reader would take the text for something else, a block where it has several lines."""
    style = "|" if "\n" in text else None if typed(text) == text and isinstance(typed(text), str) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _collection(dumper: yaml.SafeDumper, data: Any) -> yaml.Node:
    node: Any
    if isinstance(data, dict):
        node = dumper.represent_mapping("tag:yaml.org,2002:map", data.items())
    else:
        node = dumper.represent_sequence("tag:yaml.org,2002:seq", data)
    node.flow_style = _fits(_inside(node))
    assert isinstance(node, yaml.Node)
    return node


def _fits(nodes: list[yaml.Node]) -> bool:
    """Whether a collection of these is short enough for one line, and no more than two deep."""
    return sum(map(_length, nodes)) <= 90 and all(_depth(node) < 2 for node in nodes)


def _length(node: Any) -> int:
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) + 3 if node.style != "|" else WIDTH
    return 2 + sum(map(_length, _inside(node)))


def _depth(node: Any) -> int:
    return 0 if isinstance(node, yaml.ScalarNode) else 1 + max(map(_depth, _inside(node)), default=0)


def _inside(node: Any) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]


_Dumper.add_representer(str, _text)
_Dumper.add_representer(dict, _collection)
_Dumper.add_representer(list, _collection)
_Dumper.add_representer(tuple, _collection)
