"""The children of one process: a metrics port for each, one page for all, restarted when they end or hang.

The ports are held here, so that a restarted child is found at the same place; whoever scrapes asks this process alone.
Nothing is kept on disk: kill -9 of this process ends the children, and the next one begins with new ports.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from prometheus_client import CollectorRegistry

from router.config.options import Address
from router.errors import RouterError
from router.process.child import ChildSpec
from router.process.merge import Children, MergedPage
from router.process.serve import MetricsServer, bind
from router.process.supervisor import Supervisor
from router.process.watch import Watch

_ANY_PORT: Address = ("127.0.0.1", 0)


class ChildGroup:
    """`names` are the children, `own` is this process's name on the page; the `optional` ones are as in `Children`.

    `addresses` are the children's metrics pages. `stack` gives back ports, page and watch, in that order from its end.
    """

    def __init__(
        self, stack: ExitStack, own: str, names: Iterable[str], optional: frozenset[str] = frozenset()
    ) -> None:
        self._stack = stack
        self._own = own
        self.addresses: dict[str, Address] = {name: self._held() for name in names}
        self.children = Children(self.addresses, self._runs, optional)
        self._supervisor: Supervisor | None = None

    def supervise(
        self, specs: Sequence[ChildSpec], page: socket.socket, *,
        outage: Callable[[], RouterError | None] = lambda: None, ending: Callable[[], object] = lambda: None,
    ) -> tuple[Supervisor, Address]:  # fmt: skip
        """What runs the children of these specs, and where their page is served from now on: at the bound `page`."""
        supervisor = self._supervisor = Supervisor(specs, outage=outage, ending=ending)
        registry = CollectorRegistry()
        registry.register(MergedPage(self.children, self._own))
        server = self._stack.enter_context(MetricsServer(page, self.children, registry))
        return supervisor, server.address

    def add(self, make: Callable[[Address], ChildSpec]) -> None:
        """One more child while the others run: `make` gets the address of its page. From any thread."""
        assert self._supervisor is not None
        spec = make(address := self._held())
        self.children.add(spec.name, address)
        self._supervisor.add(spec)

    def watch(self, supervisor: Supervisor, serves: Callable[[], None] | None = None) -> None:
        """Have children that hang replaced from now on; `serves` is called once the gateway takes requests."""
        watch = Watch(self.children, self.children.runs, supervisor.replace, serves=serves)
        watch.start()
        self._stack.callback(watch.stop)

    def _held(self) -> Address:
        """The address of a port that stays ours."""
        address: Address = self._stack.enter_context(bind(_ANY_PORT, shared=True)).getsockname()[:2]
        return address

    def _runs(self, name: str) -> bool:
        return self._supervisor is not None and self._supervisor.pid(name) is not None
