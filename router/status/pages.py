"""The pages of several processes as one: what `router status` reads, of one `--metrics` or of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from router.config.options import Address
from router.errors import Unavailable
from router.process.health import Check, Report
from router.process.merge import merged
from router.process.scrape import health, scrape
from router.process.snapshot import Snapshot, snapshot


class Look(NamedTuple):
    """The counts and both health reports, at one moment."""

    seen: Snapshot
    ready: Report
    live: Report


class _Page(NamedTuple):
    families: list[Metric]
    ready: Report
    live: Report


def look(addresses: Sequence[Address]) -> Look:
    """What the pages say together. Raises Unavailable when none of them answers.

    With several, a process is named by its address and its own name; one that does not answer is shown as down.
    """
    if len(addresses) == 1:
        families = scrape(addresses[0])
        return Look(snapshot(families), _report(addresses[0], "/readyz"), _report(addresses[0], "/healthz"))
    pages, errors = {}, []
    for address in addresses:
        try:
            pages[_named(address)] = _Page(scrape(address), _report(address, "/readyz"), _report(address, "/healthz"))
        except Unavailable as error:
            errors.append(error)
            pages[_named(address)] = _silent(_named(address), str(error))
    if len(errors) == len(pages):
        raise errors[0]
    families = merged({name: [_renamed(family, name) for family in page.families] for name, page in pages.items()})
    ready = _together({name: page.ready for name, page in pages.items()})
    return Look(snapshot(families), ready, _together({name: page.live for name, page in pages.items()}))


def _report(address: Address, page: str) -> Report:
    """A process that ends between two questions has no health to report, but its counts are still worth showing."""
    try:
        return health(address, page)
    except Unavailable as error:
        return Report(False, {"page": Check(False, str(error))})


def _named(address: Address) -> str:
    return "{}:{}".format(*address)


def _silent(name: str, why: str) -> _Page:
    down = GaugeMetricFamily("router_up", "1 while the process answers", labels=["process"])
    down.add_metric([""], 0.0)
    report = Report(False, {"page": Check(False, why)})
    return _Page([down], report, report)


def _renamed(family: Metric, page: str) -> Metric:
    """The family with the page's name before that of each process."""
    made = Metric(family.name, family.documentation, family.type)
    for sample in family.samples:
        process = f"{page} {sample.labels.get('process', '')}".rstrip()
        made.samples.append(sample._replace(labels={**sample.labels, "process": process}))
    return made


def _together(reports: dict[str, Report]) -> Report:
    """Each page's checks, the page's name before theirs, and one check for the page as a whole."""
    checks: dict[str, Check] = {}
    for page, report in reports.items():
        checks |= {f"{page} {name}".rstrip(): check for name, check in report.checks.items()}
        checks[page] = Check(report.ok, report.why())
    return Report(all(report.ok for report in reports.values()), checks)
