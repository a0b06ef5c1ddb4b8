"""Six generated months, and the questions that a shop asks of them: SQL answers what the generator knows."""

from __future__ import annotations

import random
from collections import Counter

from router.warehouse.store import WarehouseStore
from tests.warehouse.databases import load
from tests.warehouse.months import CAMPAIGNS, months

LIFETIME_VALUE = """
    SELECT u.id, u.email, u.plan, count(*), sum(o.total), min(o.timestamp)
    FROM web.users u JOIN web.order_completed o ON o.user_id = u.id GROUP BY u.id, u.email, u.plan
"""
JOURNEY = """
    SELECT person.value, p.name FROM web.pages p
    JOIN web.user_identities device ON device.type = 'anonymous_id' AND device.value = p.anonymous_id
    JOIN web.user_identities person USING (canonical_segment_id)
    WHERE person.type = 'user_id' ORDER BY p.timestamp
"""
CAMPAIGN_RETURN = "SELECT coalesce(context_campaign_name, ''), sum(total) FROM web.order_completed GROUP BY 1"
CHANNELS = """
    SELECT coalesce(context_campaign_source, 'direct'), count(DISTINCT concat(anonymous_id, CAST(timestamp AS date)))
    FROM web.pages GROUP BY 1
"""


def test_six_months_of_a_shop(store: WarehouseStore) -> None:
    """Loaded in parts of any size, of which some come twice; events are late, and some come again days later."""
    made = months(60)
    rng = random.Random(7)
    events = list(made.events)
    parts = []
    while events:
        size = rng.randint(50, 400)
        parts += [events[:size]] * rng.choice([1, 1, 1, 2])
        events = events[size:]

    counts = load(store, *parts)

    value = {user: row for user, *row in store.rows(LIFETIME_VALUE)}
    assert {
        user: [email, plan, orders, round(total * 100)] for user, (email, plan, orders, total, _) in value.items()
    } == {
        user: [f"{user}@example.com", made.plans[user], made.orders[user], cents] for user, cents in made.spent.items()
    }
    assert {user: first for user, (*_, first) in value.items()} == made.first
    journeys: dict[str, list[str]] = {}
    for user, name in store.rows(JOURNEY):
        journeys.setdefault(user, []).append(name)
    assert journeys == made.journeys
    assert {name: round(total * 100) for name, total in store.rows(CAMPAIGN_RETURN)} == dict(made.revenue)
    channels: Counter[str] = Counter()
    for campaign, visits in made.visits.items():
        channels[CAMPAIGNS[campaign]] += visits
    assert dict(store.rows(CHANNELS)) == dict(channels)
    assert sum(one.rows["repeated"] for one in counts) > 0
    assert not any(one.discards for one in counts)
