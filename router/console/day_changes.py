"""Why a day differs from usual days, in plain sentences, and what of it is exact. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from router.console.states import Tone
from router.console.text import number
from router.insights.schema import ChangeRows, ChangesAnswer, CountChangeRow, SendersOfDay

PART = 0.1  # of the whole change: a smaller part is not worth a sentence
NAMED = 3
SMALL = 0.05  # of what is usual: a smaller change is none
MANY_PER_USER, FEW_EVENTS, JUMP = 3.0, 2.0, 2.0
LEAST_NEW = 20
RESET = "that is what reset() on each page looks like"


class DaySentence(NamedTuple):
    """`tone` attention: this is where to look."""

    tone: Tone
    says: str


def sentences(found: ChangesAnswer) -> list[DaySentence]:
    """What happened, then what brought it."""
    made = [_whole(found)]
    if not found.whole:
        compared = ": it is compared with whole days" if found.compared else ""
        made.append(DaySentence("information", f"The day is not over{compared}."))
    if _changed(found):
        made += _parts("By source", found.sources, found)
        made += _parts("By event", found.names, found)
        made += _parts("By domain of the page", found.domains, found)
    if found.senders is not None:
        made += _senders(found, found.senders, found.usual_senders)
    return made


def exactness(found: ChangesAnswer) -> list[str]:
    """What is exact, what is an estimate, and what is not known."""
    made = [
        "Exact: events by source, by event and by domain, by the day in UTC on which they were accepted or refused."
    ]
    if found.freshness.skipped:
        made.append(
            f"But {found.freshness.skipped:,} records were passed over since counting began: counts are too low."
        )
    made.append(
        f"Estimates: different anonymousIds and userIds, by sketches, ±{200 * found.sketch_error:.1f} % in 95 of 100."
    )
    if found.ids_one_in == 1:
        made.append("New anonymousIds are counted one by one.")
    else:
        made.append(
            f"New anonymousIds are a sample: one id of {found.ids_one_in} is looked at, and stands for as many, "
            f"±{200 * found.ids_error:.0f} % in 95 of 100 cases."
        )
    made.append(
        f"anonymousIds are known since {found.looked_into_since:%-d %B %Y}, and forgotten after 60 days without an "
        "event at the earliest: in the first weeks one may be new to the router alone. Ids and domains are read from "
        "accepted and blocked events; invalid ones and repeats are not looked into."
    )
    made.append("Domains, ids and what is usual are counted and not kept one by one: no list leads to their events.")
    return made


def day_name(day: date) -> str:
    """`Friday, 27 November 2026`."""
    return f"{day:%A, %-d %B %Y}"


def signed(count: float) -> str:
    """`+1,200`, `−3`; `0` for less than a half."""
    sign = "" if abs(count) < 0.5 else "−" if count < 0 else "+"
    return f"{sign}{number(abs(count))}"


def percent(part: float, whole: float) -> str:
    """`98 %`: a part is never said to be more than the whole."""
    return f"{min(100.0, 100 * part / whole):.0f} %" if whole else "–"


def compared_with(found: ChangesAnswer) -> str:
    """`the 4 Fridays before`; empty where there is nothing to compare with."""
    days = len(found.compared)
    if not days:
        return ""
    if found.weekday:
        return f"the {days} {found.day:%A}s before"
    return "the day before" if days == 1 else f"the {days} days before"


def _whole(found: ChangesAnswer) -> DaySentence:
    what = f"{found.events:,} event{'s' * (found.events != 1)} on {day_name(found.day)}"
    if found.usual is None:
        return DaySentence("quiet", f"{what}. There is no earlier whole day to compare with yet.")
    if not _changed(found):
        return DaySentence("fine", f"{what}, as usual: {number(found.usual)} on average on {compared_with(found)}.")
    change = found.events - found.usual
    relative = f" ({signed(100 * change / found.usual)} %)" if found.usual else ""
    return DaySentence(
        "attention",
        f"{what}, {number(found.usual)} on average on {compared_with(found)}: {signed(change)}{relative}.",
    )


def _changed(found: ChangesAnswer) -> bool:
    return found.usual is not None and abs(found.events - found.usual) > SMALL * found.usual


def _parts(title: str, rows: ChangeRows | None, found: ChangesAnswer) -> list[DaySentence]:
    """Those that brought most of the change, if there is more than one to choose from."""
    whole = found.events - (found.usual or 0.0)
    big = [row for row in (rows.rows if rows else ()) if row.increase is not None and row.increase / whole >= PART]
    if rows is None or not big or rows.total_rows < 2:
        return []
    return [DaySentence("information", f"{title}: {'; '.join(_part(row, whole) for row in big[:NAMED])}.")]


def _part(row: CountChangeRow, whole: float) -> str:
    change = row.increase or 0.0
    of = "increase" if whole > 0 else "decrease"
    new = ", none on those days" if not row.usual else ""
    return f"{row_name(row)} {signed(change)}, {percent(change, whole)} of the {of}{new}"


def row_name(row: CountChangeRow) -> str:
    """A source, an event or a domain, as it is called in a sentence."""
    if row.name and not row.type:
        return row.name
    if row.type:
        return f"{row.name or row.type} of {row.source or 'no known source'}"
    return row.source or "no known source"


def _senders(found: ChangesAnswer, now: SendersOfDay, usual: SendersOfDay | None) -> list[DaySentence]:
    if not now.with_anonymous_id:
        return [DaySentence("quiet", "No event had an anonymousId.")]
    about = "≈ " if found.ids_one_in > 1 else ""
    usually = f", usually {number(usual.new_ids)}" if usual else ""
    said = (
        f"≈ {number(now.anonymous_ids)} different anonymousIds, {about}{number(now.new_ids)} of them never seen before "
        f"that day{usually}: {number(now.new_events)} events, {percent(now.new_events, now.looked_into)} of all."
    )
    made = [DaySentence("information", said)]
    if why := _reset(now, usual):
        made.append(DaySentence("attention", why))
    return made


def _reset(now: SendersOfDay, usual: SendersOfDay | None) -> str:
    """Whether ids are made anew more often than they were; empty where nothing speaks for it, or nobody knows."""
    if usual is None or now.new_ids < max(LEAST_NEW, JUMP * usual.new_ids):
        return ""
    per_user, usually = _ratio(now.new_ids, now.users), _ratio(usual.new_ids, usual.users)
    if per_user >= max(MANY_PER_USER, JUMP * usually):
        return f"{per_user:.1f} new anonymousIds for each userId, usually {usually:.1f}: {RESET}."
    each, before = _ratio(now.new_events, now.new_ids), _ratio(usual.new_events, usual.new_ids)
    if each <= min(FEW_EVENTS, before / JUMP):
        others = "cookies are refused, or they are bots"
        return f"Each new anonymousId sent {each:.1f} events, usually {before:.1f}: {RESET}; or {others}."
    return ""


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def rows_to_show(found: ChangesAnswer) -> Sequence[tuple[str, ChangeRows]]:
    """The tables of the section, with their titles."""
    tables = [("Source", found.sources), ("Event", found.names)]
    return tables if found.domains is None else [*tables, ("Domain", found.domains)]
