"""Delivery: why a partner did not get an event, how long the others took, and what is still open."""

from __future__ import annotations

from ops.grafana.model import AMBER, RED, Board, Panel, Query, Row, about, series, stat

_BY_CODE = "sum by (destination, code) (rate({}{{J,D}}[$__rate_interval]))"
_QUANTILE = (
    "histogram_quantile({}, sum by (destination, le) (rate(router_end_to_end_seconds_bucket{{J,D}}[$__rate_interval])))"
)

GLANCE = Row(
    "At a glance",
    (
        stat(
            "Delivered",
            "Events that the chosen partners accepted.",
            "sum(rate(router_delivery_delivered_total{J,D}[$__rate_interval]))",
            "suffix:/s",
        ),
        stat(
            "Failed attempts",
            "Events in attempts that failed: they will be retried, or are given up. By code below.",
            "sum(destination:router_delivery_failed:rate5m{J,D})",
            "suffix:/s",
            steps=((0.1, AMBER),),
        ),
        stat(
            "Success",
            "Of all attempts in five minutes, the share that was accepted; 429s left out. A partner that is down lowers "
            "it only until the circuit breaker opens: see Held back.",
            "min(destination:router_delivery_success:ratio_rate5m{J,D})",
            "percentunit",
            steps=((0, RED), (0.99, AMBER), (0.999, "text")),
            empty="no traffic",
        ),
        stat(
            "P95",
            "Receipt to acceptance, slowest of the chosen destinations, over five minutes.",
            "max(destination:router_end_to_end_seconds:p95_5m{J,D})",
            "s",
            steps=((5, AMBER), (60, RED)),
            empty="no traffic",
        ),
        stat(
            "Open",
            "Routed or redriven, and neither delivered, filtered nor dead.",
            "sum(destination:router_delivery_open:total{J,D})",
            steps=((1000, AMBER),),
        ),
        stat(
            "Given up",
            "Dead letters of the chosen time: `router dlq list`.",
            "sum(increase(router_delivery_discarded_total{J,D}[$__range])) or vector(0)",
            steps=((1, RED),),
        ),
    ),
)
WHY = Row(
    "Why did a partner not get an event?",
    (
        Panel(
            "states",
            "Held back",
            "`down`: it does not answer; `refused`: 401 or 403; `open`: its client cannot be opened; `operator`: paused by hand.",
            (Query("max by (destination, reason) (router_delivery_paused{J,D})", "{{destination}} {{reason}}"),),
            width=8,
            words=(("0", "delivering", "transparent"), ("1", "held back", "red")),
        ),
        series(
            "Success and target",
            "Share of the attempts of an hour that was accepted, and the target that the topology sets. Below it for long, an alert comes: the further, the sooner.",
            ("destination:router_delivery_success:ratio_rate1h{J,D}", "{{destination}}"),
            ("destination:router_delivery_target_ratio:max{J,D}", "{{destination}} target"),
            unit="percentunit",
            width=8,
            highest=1,
            empty="no traffic",
        ),
        series(
            "Requests, by code",
            "The partner's answers. 4xx: look at our requests; 5xx and E…: at the partner.",
            (_BY_CODE.format("router_delivery_attempts_total"), "{{destination}} {{code}}"),
            unit="suffix:/s",
            width=8,
        ),
        series(
            "Will be retried, by code",
            "Events put off. 429 is the partner's wish; others that stay need a look.",
            (_BY_CODE.format("router_delivery_retries_total"), "{{destination}} {{code}}"),
            unit="suffix:/s",
            width=8,
            empty="no retries",
        ),
        series(
            "Given up, by code",
            "Events sent to the dead letters. The runbook says what each code means; then `router dlq redrive`.",
            (_BY_CODE.format("router_delivery_discarded_total"), "{{destination}} {{code}}"),
            unit="suffix:/s",
            width=8,
            empty="none",
        ),
        series(
            "Not sent, as configured",
            "Not errors: types, events, filters, consent, privacy (routing), and the destination's mapping.",
            (
                "sum by (destination, reason) (rate(router_events_filtered_total{J,D}[$__rate_interval]))",
                "{{destination}} {{reason}}",
            ),
            (
                "sum by (destination, reason) (rate(router_delivery_skipped_total{J,D}[$__rate_interval]))",
                "{{destination}} mapping: {{reason}}",
            ),
            unit="suffix:/s",
            width=8,
        ),
    ),
)
LONG = Row(
    "How long did it take?",
    (
        Panel(
            "heatmap",
            "Receipt to acceptance",
            "How many events took how long. A second band higher up: retries.",
            (Query("sum by (le) (increase(router_end_to_end_seconds_bucket{J,D}[$__rate_interval]))", "{{le}}"),),
            "s",
        ),
        series(
            "P50, P95, P99",
            "Receipt to acceptance, by destination.",
            *((_QUANTILE.format(q), f"{{{{destination}}}} P{int(q * 100)}") for q in (0.5, 0.95, 0.99)),
            unit="s",
            steps=((60, RED),),
            empty="no traffic",
        ),
        series(
            "P95, by stage",
            "`route`: received to written to the topic; `attempt`: to the first attempt; `accept`: to acceptance, retries included. Coarse: which one is slow, not how slow.",
            (
                "histogram_quantile(0.95, sum by (destination, stage, le) (rate(router_stage_seconds_bucket{J,D}[$__rate_interval])))",
                "{{destination}} {{stage}}",
            ),
            unit="s",
            empty="no traffic",
        ),
        series(
            "Age of what waits",
            "The oldest event that is not final, and the oldest in the retry lane. Above an hour: a partner is down or refuses.",
            ("max by (destination) (router_delivery_oldest_seconds{J,D})", "{{destination}}"),
            ("max by (destination) (router_delivery_retry_lane_age_seconds{J,D})", "{{destination}} retry lane"),
            unit="s",
            steps=((3600, RED),),
        ),
        series(
            "Oldest dead letter",
            "Age of the oldest dead letter that was not redriven. Topics keep seven days: `router dlq list`, then redrive or purge.",
            ("max by (destination) (router_delivery_dead_oldest_seconds{J,D})", "{{destination}}"),
            unit="s",
            steps=((86_400, AMBER), (432_000, RED)),
        ),
        series(
            "Retry lane, by age",
            "Events that were put there so long ago, or longer. What grows older for hours is refused each time: see the codes above.",
            ("sum by (destination, age) (router_delivery_retry_lane_older{J,D})", "{{destination}} {{age}}"),
            empty="none for a minute",
        ),
    ),
)
FLOW = Row(
    "Flow",
    (
        series(
            "Routed and delivered",
            "Apart for long: delivery is behind, or a partner is down.",
            (
                "sum by (destination) (rate(router_events_routed_total{J,D}[$__rate_interval]))",
                "{{destination}} routed",
            ),
            (
                "sum by (destination) (rate(router_delivery_delivered_total{J,D}[$__rate_interval]))",
                "{{destination}} delivered",
            ),
            unit="suffix:/s",
        ),
        series(
            "Open",
            "In the topic: not yet taken. Taken: with a process, the retry lane included.",
            ("destination:router_delivery_waiting:total{J,D}", "{{destination}} in the topic"),
            ("destination:router_delivery_pending:total{J,D}", "{{destination}} taken"),
            ("sum by (destination) (router_delivery_retry_lane{J,D})", "{{destination}} retry lane"),
        ),
        series(
            "Replays",
            "Events of `router replay` that are pending, and those delivered: they count nowhere else.",
            ("sum by (destination) (router_replay_pending{J,D})", "{{destination}} pending"),
            (
                "sum by (destination) (max by (destination, partition) (router_replay_delivered_total{J,D}))",
                "{{destination}} delivered",
            ),
        ),
        series(
            "Values that mappings left out",
            "They could not be converted; by their place in the topology.",
            (
                "sum by (destination, place) (rate(router_mapping_problems_total{J,D}[$__rate_interval]))",
                "{{destination}} {{place}}",
            ),
            unit="suffix:/s",
            empty="none",
        ),
    ),
)
WAREHOUSES = Row(
    "Warehouses",
    (
        series(
            "Rows, by outcome",
            "`inserted`, `repeated` (the table had them), `updated`.",
            (
                "sum by (destination, outcome) (rate(router_warehouse_rows_total{J,D}[$__rate_interval]))",
                "{{destination}} {{outcome}}",
            ),
            unit="suffix:/s",
            width=8,
            empty="no warehouse",
        ),
        series(
            "Loads",
            "Loads by outcome, and P95 of their time in seconds.",
            (
                "sum by (destination, outcome) (increase(router_warehouse_loads_total{J,D}[$__rate_interval]))",
                "{{destination}} {{outcome}}",
            ),
            (
                "histogram_quantile(0.95, sum by (destination, le) (rate(router_warehouse_load_seconds_bucket{J,D}[$__rate_interval])))",
                "{{destination}} P95",
            ),
            width=8,
            empty="no warehouse",
        ),
        series(
            "Since the last load",
            "How old a warehouse is. It grows while a load fails: see the log of `router deliver`.",
            (
                "time() - max by (destination) (router_warehouse_last_load_timestamp_seconds{J,D} > 0)",
                "{{destination}}",
            ),
            unit="s",
            width=8,
            steps=((3600, RED),),
            empty="no warehouse",
        ),
    ),
)
BOARD = Board(
    "delivery",
    "Event router: delivery",
    about(__doc__),
    (GLANCE, WHY, LONG, FLOW, WAREHOUSES),
    ("destination",),
)
