"""Workers and Kafka: which processes run, how far they are behind, and what Kafka makes of their transactions."""

from __future__ import annotations

from ops.grafana.model import AMBER, RED, Board, Panel, Query, Row, about, series, stat

_QUANTILE = "histogram_quantile({}, sum by (le) (rate(router_route_batch_{}_bucket{{J}}[$__rate_interval])))"

NOW = Row(
    "Now",
    (
        stat("Up", "Processes that answer when asked for metrics.", "sum(router_up{J}) or sum(up{J})"),
        stat(
            "Not ready",
            "Processes whose /readyz says no: they wait for Kafka, restore, or join.",
            "count(router_ready{J} == 0) or vector(0)",
            steps=((1, AMBER),),
        ),
        stat(
            "Not live",
            "Processes with work and no progress: restart them.",
            "count(router_live{J} == 0) or vector(0)",
            steps=((1, RED),),
        ),
        stat(
            "Restarts",
            "Of children of `router up`, in the last hour.",
            "sum(increase(router_process_restarts_total{J}[1h])) or vector(0)",
            steps=((1, AMBER), (4, RED)),
        ),
        stat(
            "Aborted",
            "Transactions that were begun again, in the last hour.",
            "sum(increase(router_transactions_aborted_total{J}[1h])) or vector(0)",
            steps=((10, AMBER),),
        ),
        stat(
            "Lost",
            "Messages that the broker deleted before they were read; must be 0.",
            "sum(router_messages_lost_total{J}) or vector(0)",
            steps=((1, RED),),
        ),
    ),
)
LAG = Row(
    "Lag",
    (
        series(
            "Messages not yet read",
            "By topic, at most: markers of transactions count too. Growing for long: start another worker.",
            ("sum by (topic) (router_route_lag_messages{J})", "{{topic}}"),
            width=8,
        ),
        series(
            "Age of the oldest",
            "Of those messages, by topic, at most.",
            ("max by (topic) (router_route_oldest_seconds{J})", "{{topic}}"),
            unit="s",
            width=8,
            steps=((300, RED),),
        ),
        series(
            "Messages not yet read, by partition",
            "The ten that are furthest behind. One alone: a key that is far more frequent than others.",
            ("topk(10, max by (topic, partition) (router_route_lag_messages{J}))", "{{topic}} {{partition}}"),
            width=8,
        ),
    ),
)
BATCHES = Row(
    "Batches and transactions",
    (
        series(
            "Events in a batch",
            "Small ones are normal with little traffic.",
            *((_QUANTILE.format(q, "events"), f"P{int(q * 100)}") for q in (0.5, 0.95)),
            width=8,
        ),
        series(
            "First message to commit",
            "Slow commits are Kafka's, slow batches are ours: compare with CPU.",
            (_QUANTILE.format(0.5, "seconds"), "P50"),
            ("job:router_route_batch_seconds:p95_5m{J}", "P95"),
            unit="s",
            width=8,
            steps=((1, RED),),
        ),
        series(
            "Faults",
            "Aborted transactions by reason, events that made an agent fail, messages lost.",
            ("sum by (reason) (rate(router_transactions_aborted_total{J}[$__rate_interval]))", "aborted: {{reason}}"),
            ("sum by (stage) (rate(router_events_poison_total{J}[$__rate_interval]))", "failed: {{stage}}"),
            ("sum by (topic) (rate(router_messages_lost_total{J}[$__rate_interval]))", "lost: {{topic}}"),
            unit="suffix:/s",
            width=8,
            empty="none",
        ),
    ),
)
PROCESSES = Row(
    "Processes",
    (
        Panel(
            "states",
            "Ready",
            "`/readyz` of a process that is not says why.",
            (Query("min by (instance, process) (router_ready{J})", "{{process}} {{instance}}"),),
            words=(("0", "not ready", "orange"), ("1", "ready", "green")),
            width=8,
        ),
        series(
            "Reloads, by outcome",
            "`refused`: the edit is faulty, and the last good files go on; the log names file and line.",
            (
                "sum by (process, outcome) (increase(router_reloads_total{J}[$__rate_interval]))",
                "{{process}} {{outcome}}",
            ),
            width=8,
            empty="none",
        ),
        series(
            "Functions of teams, by outcome",
            "`timeout`, `died`, `failed`: the function named in the topology needs its author.",
            (
                "sum by (owner, outcome) (rate(router_transform_events_total{J}[$__rate_interval]))",
                "{{owner}} {{outcome}}",
            ),
            unit="suffix:/s",
            width=8,
            empty="no functions",
        ),
    ),
)
INSIGHTS = Row(
    "Insights",
    (
        series(
            "Records not yet counted",
            "How far the console's numbers are behind, at most: markers of transactions count too.",
            ("sum(router_insights_waiting_records{J})", "waiting"),
            ("sum(router_insights_skipped_records{J})", "passed over"),
            empty="no insights",
        ),
        series(
            "Size of its tables",
            "In memory and on disk. Bounded: what is left out is said on the console's pages.",
            ("sum by (place) (router_insights_state_bytes{J})", "{{place}}"),
            unit="bytes",
            empty="no insights",
        ),
    ),
)
BOARD = Board("workers", "Event router: workers and Kafka", about(__doc__), (NOW, LAG, BATCHES, PROCESSES, INSIGHTS))
