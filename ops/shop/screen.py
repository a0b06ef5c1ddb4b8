"""What the demo shows: a live table while it runs, the sums and a guide at its end."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from ops.shop.figures import Check, Figures, Sent
from ops.shop.questions import Answer
from router.cli.screen import table
from router.cli.status_screen import seconds


def live(sent: Sent, seen: Figures, hint: str) -> RenderableType:
    """The counts now."""
    ways = f"sent {sent.total:,} events: {sent.sdk:,} by the Segment SDK over HTTP, {sent.kafka:,} by Kafka producers"
    return Group(Text(ways), Text(), _totals(seen), Text(), _destinations(seen), Text(hint, style="dim"))


def _totals(seen: Figures) -> RenderableType:
    made = table("", "received", "invalid", "blocked", "duplicates", "resolved", "merged", numbers=6)
    counts = (seen.received, seen.invalid, seen.blocked, seen.duplicates, seen.resolved, seen.merged)
    made.add_row("events", *map("{:,}".format, counts))
    return made


def _destinations(seen: Figures) -> RenderableType:
    made = table("destination", "routed", "delivered", "pending", "dead", "P95", numbers=5)
    for row in seen.rows:
        counts = (row.routed, row.delivered, row.pending, row.dead)
        made.add_row(row.name, *map("{:,}".format, counts), seconds(row.p95_seconds))
    return made


def sums(found: Iterable[Check]) -> RenderableType:
    """Each sum with a mark."""
    return Group(
        *(Text("✔ " if one.holds else "✘ ", "green" if one.holds else "bold red") + Text(one.text) for one in found)
    )


def asked(answers: Iterable[Answer]) -> RenderableType:
    """Each question with its SQL and its answer."""
    shown: list[RenderableType] = [Text("What the warehouse answers: DuckDB, a schema for each source")]
    for answer in answers:
        shown += [Text(), Text(f"  {answer.question}", "bold"), Text(indent(answer.sql, "    "), "dim")]
        made = table(*answer.columns, numbers=len(answer.columns) - 1)
        for row in answer.rows:
            made.add_row(*row)
        shown.append(
            Padding(made if answer.rows else Text("no such events in this sample"), (0, 0, 0, 4), expand=False)
        )
    return Group(*shown)


def story(sent: Sent, seen: Figures) -> str:
    """What happened, in words."""
    dead = sum(row.dead for row in seen.rows)
    return f"""\
What you saw
  {sent.sdk:,} events came from the official Segment SDK through the HTTP gateway, {sent.kafka:,} from Kafka producers:
  single events, newline-separated ones and batch bodies. All went through one chain of agents:
  validate   {seen.invalid} were no events at all (kept with the reason in events.invalid); {seen.blocked} broke the
             tracking plan in schemas/shop and were blocked (kept whole in events.blocked)
  dedupe     {seen.duplicates} were repeats, as retries send them, and were dropped
  identify   {seen.merged} times two ids (a browser's, a customer's, an e-mail address) turned out to be one person's
  route      the other {seen.resolved:,} went to the destinations that topologies/shop.yaml names,
             and all of them to a warehouse
  deliver    the partners failed now and then on purpose (500, 503), and those events were sent again; {dead} was
             refused for good (400) and lies in the dead letters; the CRM once asked for less (429), so it got
             fewer events a second for a while, which its P95 shows and that of the others does not"""


def guide(broker: str, metrics: str, console: str) -> str:
    """What to look at while it runs. `console` is a URL or empty."""
    browser = f"In a browser, while this one runs\n  {console}\n\n" if console else ""
    return f"""\
{browser}From another terminal, while this one runs
  .venv/bin/router status --metrics {metrics}
  .venv/bin/router tap events.resolved --bootstrap {broker}        the clean stream
  .venv/bin/router tap events.blocked --bootstrap {broker}         what broke the plan, and why
  .venv/bin/router tap dest.crm.dead --bootstrap {broker}          what a partner refused"""


NEXT = """\
Next
  ./ops/demo --console                           the same without an end: look into it in a browser
  .venv/bin/router test topologies/              what the topology promises, tested without a broker
  .venv/bin/router check topologies/shop.yaml    change something in it, then check it
  README.md                                      the five-minute tour"""
