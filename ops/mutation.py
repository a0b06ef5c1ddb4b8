"""`ops/mutants`: which changes of a line no test notices.

The mutation tools for Python change operators and values; what loses or repeats events here is a statement that is
missing (decision 0005), so ours takes statements away as well. A mutant is killed when a test fails or does not end.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue

from ops.running import ROOT

TIMES_AS_LONG = 4  # as the tests take without a mutant: then it counts as one that never ends
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build")


@dataclass(frozen=True, slots=True)
class Part:
    """Modules and the tests that must notice a change of them: paths from the root, those that take long at the end.

    `least`: the score to hold.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    least: int


PARTS = {
    "dedupe": Part(
        ("router/agents/dedupe.py",), ("tests/agents/test_dedupe.py", "tests/worker/test_crash_points.py"), least=85
    ),
    "changelog": Part(
        ("router/dedupe/changelog.py",),
        ("tests/dedupe/test_changelog.py", "tests/worker/test_crash_points.py"),
        least=90,
    ),
    "checkpoint": Part(
        (
            "router/worker/checkpoint.py",
            "router/worker/commit_thread.py",
            "router/kafka/transactions.py",
            "router/kafka/writer.py",
        ),
        (
            *("tests/kafka/test_writer.py", "tests/worker/test_checkpoint.py", "tests/worker/test_traps.py"),
            *("tests/worker/test_crash_points.py", "tests/delivery/test_committer.py", "tests/identity/test_merges.py"),
        ),
        least=90,
    ),
    "consumer": Part(
        ("router/kafka/group_consumer.py",),
        (
            *("tests/kafka/test_group_changes.py", "tests/delivery/test_consume.py", "tests/worker/test_traps.py"),
            "tests/kafka/test_group_consumer.py",  # last: it starts a Kafka
        ),
        least=90,
    ),
    "window": Part(
        ("router/dedupe/window_rocksdb.py", "router/dedupe/bloom.py"),
        (
            *("tests/dedupe/test_window.py", "tests/dedupe/test_bloom.py", "tests/dedupe/test_inspect.py"),
            "tests/dedupe/test_window_faults.py",
        ),
        least=85,
    ),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module: `source` is all of it, `change` says what is different at `line`."""

    module: str
    line: int
    change: str
    source: str


OPPOSITES: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip
REMOVABLE = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)
ANNOTATIONS = ("annotation", "returns", "decorator_list")  # nothing of them runs, or all tests would end with it


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every change of a module, in the order of its lines."""
    begins = [0]
    for line in source.encode().splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for node, instead in _changes(ast.parse(source), inside=False):
        raw = source.encode()
        begin = begins[node.lineno - 1] + node.col_offset
        end = begins[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        change = f"{' '.join(raw[begin:end].decode().split())}  ->  {instead}"
        yield Mutant(module, node.lineno, change, (raw[:begin] + instead.encode() + raw[end:]).decode())


def _changes(tree: ast.AST, *, inside: bool) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    """Nodes and what may stand in their place. `inside`: of a function, where statements can be missed."""
    inside = inside or isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    for name, value in ast.iter_fields(tree):
        for node in value if isinstance(value, list) else [value]:
            if not isinstance(node, ast.AST) or name in ANNOTATIONS or _is_size(node):
                continue
            if isinstance(node, REMOVABLE) and inside and not _says_only(node):
                yield node, "pass"
            if isinstance(node, ast.expr):
                yield from ((node, f"({ast.unparse(other)})") for other in _others(node))
                if name == "test":
                    yield node, f"(not ({ast.unparse(node)}))"
            yield from _changes(node, inside=inside)


def _others(node: ast.expr) -> Iterator[ast.expr]:
    """The expression with another operator or value."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield ast.Compare(node.left, [OPPOSITES[type(node.ops[0])]()], node.comparators)  # type: ignore[list-item]
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(OPPOSITES[type(node.op)](), node.values)  # type: ignore[arg-type]
    elif isinstance(node, ast.BinOp) and type(node.op) in OPPOSITES:
        yield ast.BinOp(node.left, OPPOSITES[type(node.op)](), node.right)  # type: ignore[arg-type]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int):
        yield ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)


def _is_size(node: ast.AST) -> bool:
    """Numbers multiplied, such as `64 * 1024`: no outcome hangs on a byte more or less."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return False
    return all(isinstance(each, ast.Constant) or _is_size(each) for each in (node.left, node.right))


def _says_only(node: ast.AST) -> bool:
    """A docstring, `...`, or a line of a log."""
    if not isinstance(node, ast.Expr):
        return False
    called = node.value.func if isinstance(node.value, ast.Call) else None
    logs = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "log"
    return isinstance(node.value, ast.Constant) or logs


def tried(part: Part, root: Path, jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, and whether no test of the part notices it. Raises RuntimeError when the tests fail without one."""
    made = [each for module in part.modules for each in mutants(module, (root / module).read_text("utf-8"))]
    with ExitStack() as stack:
        copies: SimpleQueue[Path] = SimpleQueue()
        for _ in range(jobs):
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")))
            shutil.copytree(root, copy, dirs_exist_ok=True, ignore=LEFT_OUT)
            compileall.compile_dir(copy, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
            copies.put(copy)
        began = time.monotonic()
        if not _pass(copy, part.tests, None):
            raise RuntimeError(f"expected tests that pass without a mutant: {' '.join(part.tests)}")
        seconds = TIMES_AS_LONG * jobs * (time.monotonic() - began)

        def survives(mutant: Mutant) -> bool:
            copy = copies.get()
            whole = (copy / mutant.module).read_bytes()
            (copy / mutant.module).write_text(mutant.source, "utf-8")
            try:
                return _pass(copy, part.tests, seconds)
            finally:
                (copy / mutant.module).write_bytes(whole)
                copies.put(copy)

        with ThreadPoolExecutor(jobs) as pool:
            yield from zip(made, pool.map(survives, made), strict=True)


def _pass(copy: Path, tests: Iterable[str], seconds: float | None) -> bool:
    # -B: bytecode that Python caches is told apart by second and size, in which a mutant may not differ; ours by hash.
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["ROUTER_TEST_PROFILE"] = "mutants"
    process = subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With whatever its tests have started, also when they are done."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="ops/mutants")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--list", action="store_true", help="the parts, their modules and tests")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"expected parts of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    low = False
    for name in options.parts or PARTS:
        part = PARTS[name]
        if options.list:
            print(f"{name}: {' '.join(part.modules)}  tests: {' '.join(part.tests)}")
            continue
        outcomes = []
        for mutant, survived in tried(part, ROOT, options.jobs):
            outcomes.append(survived)
            if survived:
                print(f"{mutant.module}:{mutant.line}: no test notices  {mutant.change}", flush=True)
        score = 100 - 100 * sum(outcomes) / len(outcomes)
        print(f"{name}: {score:.1f} % of {len(outcomes)} mutants killed, at least {part.least} % expected", flush=True)
        low = low or score < part.least
    return int(low)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
