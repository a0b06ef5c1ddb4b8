"""`include`: the same keys in further files; each name in one of them only."""

from __future__ import annotations

from pathlib import Path

from tests.config.topologies import load, problems, write


def root(folder: Path, include: str = "[shop/*.yaml]", more: str = "") -> Path:
    return write(folder, "shop.yaml", f"name: shop\ninclude: {include}\nsources: {{web: {{}}}}\n{more}")


def test_included_files_add_sources_and_destinations(tmp_path: Path) -> None:
    path = root(tmp_path)
    write(tmp_path, "shop/b.yaml", "destinations: {b: {type: pipe, settings: {path: out}}}\ndedupe: {window: 1h}\n")
    write(tmp_path, "shop/a.yaml", "sources: {app: {}}\n")
    write(tmp_path, "shop/a.test.yaml", "tests: []\n")

    loaded = load(path)

    assert list(loaded.topology.sources) == ["web", "app"]
    assert loaded.topology.dedupe.window == 3600
    assert loaded.connector_settings["b"].path == tmp_path / "shop" / "out"  # type: ignore[attr-defined]
    assert loaded.files == (path, tmp_path / "shop/a.yaml", tmp_path / "shop/b.yaml")


def test_a_name_in_two_files_is_an_error(tmp_path: Path) -> None:
    path = root(tmp_path, more="mask: [a]\n")
    write(tmp_path, "shop/a.yaml", "mask: [b]\nsources: {web: {enabled: false}}\n")

    assert problems(path) == [
        "shop/a.yaml:1:1: mask: expected each name in one of the included files, got it in shop.yaml:4 too",
        "shop/a.yaml:2:11: sources.web: expected each name in one of the included files, got it in shop.yaml:3 too",
    ]


def test_a_file_is_included_once_even_where_files_include_each_other(tmp_path: Path) -> None:
    path = root(tmp_path, "[shop/a.yaml, 'shop/*.yaml']")
    write(tmp_path, "shop/a.yaml", "include: [b.yaml, ../shop.yaml]\nsources: {a: {}}\n")
    write(tmp_path, "shop/b.yaml", "sources: {b: {}}\n")

    loaded = load(path)

    assert list(loaded.topology.sources) == ["web", "a", "b"]
    assert len(loaded.files) == 3


def test_a_file_that_is_not_there_is_an_error_a_glob_without_match_a_warning(tmp_path: Path) -> None:
    assert problems(root(tmp_path, "[none.yaml]")) == [
        'shop.yaml:2:11: include[0]: expected a glob that matches a file, got "none.yaml", which matches none'
    ]
    assert [w.path for w in load(root(tmp_path, "['none/*.yaml']")).warnings] == ["include[0]"]


def test_include_is_a_list_of_globs(tmp_path: Path) -> None:
    assert problems(root(tmp_path, "shop/a.yaml")) == [
        'shop.yaml:2:10: include: expected a list of globs, got "shop/a.yaml"'
    ]
    assert problems(root(tmp_path, "[1]")) == ["shop.yaml:2:11: include[0]: expected a list of globs, got 1"]
