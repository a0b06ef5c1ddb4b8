"""The demo: a shop's traffic through a whole router, live, and held against the partners' own logs at the end.

Exit status: 0 when every sum holds; 1 when one does not; 2 wrong usage; 3 when a part did not start or went away.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from ops.running import ROOT
from ops.shop import questions, screen
from ops.shop.figures import Check, Figures, Sent, checks, figures
from ops.shop.partner import Partner, archived
from ops.shop.questions import Answer
from ops.shop.senders import Producers, Sdk
from ops.shop.stage import Stage
from ops.shop.traffic import Parcel, Shop
from router.cli.screen import console
from router.embedded.capacity import capacity_of
from router.errors import RouterError, Unavailable
from router.process.snapshot import Snapshot

LOOK_SECONDS = 0.5
SETTLE_SECONDS = 120.0
SILENCE_SECONDS = 120.0  # of the metrics page, while its process lives


class Demo:
    """One run. `show` is called with what the screen should say, about twice a second."""

    def __init__(
        self, stage: Stage, sdk: Sdk, producers: Producers, show: Callable[[Sent, Figures, str], None]
    ) -> None:
        self.stage = stage
        self.sdk = sdk
        self.producers = producers
        self.show = show
        self.hint = ""
        self.planned = Sent()
        self.before: Snapshot = stage.seen()
        self.now = figures(self.before, self.before)
        self._next_look, self._heard = 0.0, time.monotonic()

    @property
    def sent(self) -> Sent:
        refused = self.sdk.refused + self.producers.refused
        plan = self.planned
        return Sent(self.sdk.sent, self.producers.sent, refused, plan.invalid, plan.blocked, plan.duplicates)

    def run(self, shop: Shop, *, events: int | None, rate: float, over: Callable[[], bool]) -> None:
        """Send until `events` are sent, or it is `over`; at most `rate` events a second."""
        started, sent = time.monotonic(), 0
        for parcel in shop.parcels():
            if over() or (events is not None and sent >= events):
                break
            self._send(parcel)
            sent += parcel.count
            self.look()
            while (ahead := started + sent / rate - time.monotonic()) > 0 and not over():
                time.sleep(min(ahead, 0.1))
                self.look()

    def settle(self) -> None:
        """Wait until all that was sent has reached its end, as long as that is not hopeless."""
        self.hint = "all is sent; waiting for the last retries"
        self.sdk.flush()
        self.producers.flush()
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and not self.now.settled(self.sent):
            time.sleep(0.1)
            self.look()

    def look(self) -> None:
        """Take the figures anew when it is time to."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        self.stage.insist()
        try:
            seen = self.stage.seen()
        except Unavailable:  # a busy machine answers late: what was seen last stays on the screen
            if time.monotonic() - self._heard > SILENCE_SECONDS:
                raise
            return
        self._heard = time.monotonic()
        self.now = figures(self.before, seen)
        self.show(self.sent, self.now, self.hint)

    def _send(self, parcel: Parcel) -> None:
        if parcel.event is not None:
            self.sdk.send(parcel.event)
        else:
            self.producers.send(parcel)
        plan = self.planned
        self.planned = Sent(
            invalid=plan.invalid + parcel.invalid,
            blocked=plan.blocked + parcel.blocked,
            duplicates=plan.duplicates + parcel.duplicates,
        )


def main() -> int:
    chosen = _arguments()
    out = console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder: Path = chosen.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        sent, seen, found, answers = _play(chosen, folder, out)
    except RouterError as error:
        print(error, file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    out.print(screen.live(sent, seen, ""), screen.sums(found), "", screen.story(sent, seen), "", sep="\n")
    out.print(screen.asked(answers), "", sep="\n")
    holds = all(one.holds for one in found)
    verdict = "Every sum holds" if holds else "A sum does not hold"
    out.print(f"{verdict}; what the partners got, the warehouse and the router's log are in {folder}", "", sep="\n")
    out.print(screen.NEXT)
    return 0 if holds else 1


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed in the block. An exception would fall between an event and its count."""
    over = threading.Event()
    before = {number: signal.signal(number, lambda *_: over.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield over.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ops/demo", description="A shop's traffic through a whole router, live.")
    parser.add_argument("--once", action="store_true", help="end after the sample, with the sums")
    parser.add_argument("--events", type=int, default=2000, metavar="N", help="size of the sample (default: 2000)")
    parser.add_argument("--rate", type=float, default=200.0, metavar="R", help="events a second (default: 200)")
    parser.add_argument("--console", action="store_true", help="serve the web console as well")
    parser.add_argument("--kafka", default="", metavar="HOST:PORT", help="use this Kafka, not an embedded broker")
    parser.add_argument("--folder", type=Path, default=ROOT / ".run" / "demo", help="emptied, then filled by this run")
    chosen = parser.parse_args()
    if chosen.events < 1 or chosen.rate <= 0:
        parser.error("expected --events of at least 1 and a positive --rate")
    return chosen


def _play(chosen: argparse.Namespace, folder: Path, out: Console) -> tuple[Sent, Figures, list[Check], list[Answer]]:
    """From the start of all processes to the last figure; then everything is stopped, and the logs are read."""
    with ExitStack() as stack:
        out.print("starting a partner, a broker and the router …", style="dim")
        partner = stack.enter_context(closing(Partner(folder)))
        stage = stack.enter_context(closing(Stage(folder, partner, chosen.kafka, console=chosen.console)))
        stage.wait_ready()
        out.print(screen.guide(stage.broker, "{}:{}".format(*stage.metrics), stage.console), "", sep="\n")
        view = stack.enter_context(Live(console=out, auto_refresh=False, transient=True))
        sdk = stack.enter_context(closing(Sdk(stage.gateway, stage.write_key("web"))))
        topology = stage.loaded.topology
        capacity = stack.enter_context(capacity_of(stage.cluster, topology))
        producers = Producers(stage.cluster, topology, stage.write_key("app"), capacity)

        def show(sent: Sent, seen: Figures, hint: str) -> None:
            if out.is_terminal:
                view.update(screen.live(sent, seen, hint), refresh=True)

        demo = Demo(stage, sdk, producers, show)
        shop = Shop(f"demo-{secrets.token_hex(3)}")
        if chosen.once:
            demo.hint = f"a sample of {chosen.events:,} events"
            demo.run(shop, events=chosen.events, rate=chosen.rate, over=lambda: False)
        else:
            demo.hint = "Ctrl-C ends it"
            with _ctrl_c() as over:
                demo.run(shop, events=None, rate=chosen.rate, over=over)
        demo.settle()
        sent, seen = demo.sent, demo.now
        lake, warehouse = stage.lake, stage.warehouse
    evidence = {
        "crm": partner.received("crm"), "ads": partner.received("ads"), "lake": archived(lake),
        "warehouse": questions.loaded(warehouse),
    }  # fmt: skip
    return sent, seen, list(checks(sent, seen, evidence)), questions.answers(warehouse)
