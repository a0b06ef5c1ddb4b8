"""One metrics page for all children: each family once, each sample with the label `process`.

Children are asked when the page is asked for, all at once. A child that does not answer has `router_up` 0 and no
samples. `last` keeps each child's latest answer, for those who must count after it has gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from router import metrics
from router.config.options import Address
from router.errors import Unavailable
from router.process.health import Check, Report
from router.process.scrape import health, scrape

T = TypeVar("T")
SUPERVISOR = "up"
SECONDS = 2.0  # for a child to answer; whoever asks us waits longer
_OWN = ("router_ready", "router_live", "router_up", "router_process_restarts")


class Children:
    """The children's pages by process name; `runs` says whether a child is there to be asked.

    Those that are `optional` are told of too, but events flow without them: all are ready and live when the others are.
    """

    def __init__(
        self, addresses: Mapping[str, Address], runs: Callable[[str], bool], optional: frozenset[str] = frozenset()
    ) -> None:
        self._optional = optional
        self._addresses = dict(addresses)
        self.runs = runs
        self.last: dict[str, list[Metric]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._addresses)

    def add(self, name: str, address: Address) -> None:
        """One more child. From any thread: who is asking just now goes on with the others."""
        self._addresses = {**self._addresses, name: address}

    def pages(self) -> dict[str, list[Metric]]:
        """Families of every child that answers; `router_up` is set for all."""
        pages: dict[str, list[Metric]] = {}
        for name, page in self._ask_all(self._scrape).items():
            metrics.UP.labels(name).set(page is not None)
            if page is not None:
                self.last[name] = pages[name] = page
        return pages

    def readiness(self) -> Report:
        return self._report("/readyz")

    def liveness(self) -> Report:
        return self._report("/healthz")

    def check(self, name: str, page: str) -> Check:
        """One child's answer as one check. A child that does not answer fails it."""
        return self._ask(name, page)[name]

    def _ask(self, name: str, page: str) -> dict[str, Check]:
        """The child's answer as one check by its name, and what its own checks say of themselves while they hold."""
        if not self.runs(name):
            return {name: Check(False, "not running")}
        try:
            report = health(self._addresses[name], page, SECONDS)
        except Unavailable as error:
            return {name: Check(False, str(error))}
        notes = {f"{name} {own}": check for own, check in report.checks.items() if check.ok and check.why}
        return {name: Check(report.ok, report.why())} | notes

    def _ask_all(self, ask: Callable[[str], T]) -> dict[str, T]:
        names = self.names
        with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="children") as pool:
            return dict(zip(names, pool.map(ask, names), strict=True))

    def _report(self, page: str) -> Report:
        answers = self._ask_all(lambda name: self._ask(name, page)).values()
        checks = {name: check for answer in answers for name, check in answer.items()}
        return Report(all(check.ok for name, check in checks.items() if name not in self._optional), checks)

    def _scrape(self, name: str) -> list[Metric] | None:
        if not self.runs(name):
            return None
        try:
            return scrape(self._addresses[name], SECONDS)
        except Unavailable:
            return None


class MergedPage(Collector):
    """What `generate_latest` turns into the page of a process with children; `own` is that process's name."""

    def __init__(self, children: Children, own: str = SUPERVISOR) -> None:
        self._children = children
        self._own = own

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        pages = self._children.pages()
        own = [family for family in metrics.REGISTRY.collect() if family.name in _OWN]
        yield from merged({self._own: own, **pages})


def merged(pages: Mapping[str, Iterable[Metric]]) -> list[Metric]:
    """Families of several processes as one page's, those with samples. A sample's own label `process` is kept."""
    families: dict[str, Metric] = {}
    for process, page in pages.items():
        for family in page:
            target = families.get(family.name)
            if target is None:
                target = families[family.name] = copy(family)
                target.samples = []
            target.samples += [_labelled(sample, process) for sample in family.samples]
    return [family for family in families.values() if family.samples]


def _labelled(sample: Sample, process: str) -> Sample:
    return sample._replace(labels={"process": process, **sample.labels})
