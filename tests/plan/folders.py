"""Plan folders for the tests: a small one that is right, and its files one by one to make wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from router.errors import FileError, Problem
from router.plan import Plan, load_plan

PLAN = "name: shop\n"
ORDER = """type: track
event: Order Completed
properties:
  type: object
  required: [order_id, total]
  properties:
    order_id: {type: string}
    total: {type: number, minimum: 0}
    products: {type: array, items: {$ref: "../defs/product.yaml#/$defs/item"}}
"""
PRODUCT = """$defs:
  item:
    type: object
    required: [product_id]
    properties:
      product_id: {type: string}
      price: {type: number}
"""
FILES: dict[str, str | bytes] = {"plan.yaml": PLAN, "events/order-completed.yaml": ORDER, "defs/product.yaml": PRODUCT}


def make(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def load(folder: Path, files: Mapping[str, str | bytes]) -> Plan:
    return load_plan(make(folder, {**FILES, **files}))


def problems(folder: Path, files: Mapping[str, str | bytes], *, alone: bool = False) -> list[Problem]:
    """What is wrong with the small plan when these files are added or replaced (or `alone` are the plan)."""
    with pytest.raises(FileError) as caught:
        load_plan(make(folder, files if alone else {**FILES, **files}))
    return list(caught.value.problems)


def lines(folder: Path, files: Mapping[str, str | bytes], *, alone: bool = False) -> list[str]:
    """The same as text, without the folder's own path."""
    return [str(problem).replace(f"{folder}/", "") for problem in problems(folder, files, alone=alone)]
