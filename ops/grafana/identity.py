"""Identity and state: who is linked and merged, and whether local state is complete and small enough."""

from __future__ import annotations

from ops.grafana.model import AMBER, RED, Board, Row, about, series, stat

NOW = Row(
    "Now",
    (
        stat(
            "Links",
            "Facts for the identity log: two identifiers of one person, or one seen first.",
            'sum(rate(router_identity_links_total{J,outcome="appended"}[$__rate_interval])) or vector(0)',
            "suffix:/s",
        ),
        stat(
            "Merges",
            "Two profiles that became one, in the chosen time.",
            "sum(increase(router_identity_merges_total{J}[$__range])) or vector(0)",
        ),
        stat(
            "Known repeats",
            "Share of what was received that the window knew already.",
            "sum(rate(router_events_duplicate_total{J}[$__rate_interval])) / sum(rate(router_events_received_total{J}[$__rate_interval]))",
            "percentunit",
            steps=((0.2, AMBER),),
            empty="no traffic",
        ),
        stat(
            "Last restore",
            "The longest of all workers' last restores: how long a restart without local state takes.",
            "max(router_restore_seconds{J})",
            "s",
            steps=((60, AMBER), (600, RED)),
        ),
        stat(
            "To restore",
            "Changelog records that restores under way have still to read. It must fall: see RouterRestoreStuck.",
            "sum(router_restore_records{J})",
            steps=((1, AMBER),),
        ),
        stat(
            "Foreign records",
            "Changelog records that no router wrote, skipped in restores; must be 0.",
            "sum(router_changelog_skipped_total{J}) or vector(0)",
            steps=((1, RED),),
        ),
    ),
)
IDENTITY = Row(
    "Identity",
    (
        series(
            "Links, by outcome",
            "`skipped`: known already, or above the limit of a profile.",
            ("sum by (outcome) (rate(router_identity_links_total{J}[$__rate_interval]))", "{{outcome}}"),
            unit="suffix:/s",
        ),
        series(
            "Merges",
            "Many at once: an identifier that many people share (a test account, a shop's till). Block its value.",
            ("sum(rate(router_identity_merges_total{J}[$__rate_interval]))", "merges"),
            unit="suffix:/s",
        ),
    ),
)
STATE = Row(
    "State",
    (
        series(
            "Restores",
            "Records still to read, by worker. It must fall: see RouterRestoreStuck.",
            ("sum by (process, store) (router_restore_records{J})", "{{process}} {{store}}"),
        ),
        series(
            "Duration of the last restore",
            "How long each worker took to be complete. It grows with the window and with traffic.",
            ("max by (process, store) (router_restore_seconds{J})", "{{process}} {{store}}"),
            unit="s",
        ),
        series(
            "Size of stores",
            "On disk, by worker. The window grows with traffic and its time, identities with the people known.",
            ("sum by (process, store) (router_state_bytes{J})", "{{process}} {{store}}"),
            unit="bytes",
        ),
        series(
            "Disk free, where state lies",
            "By process. At nothing, a worker stops; its state may be lost at any time, so deleting it helps.",
            ("min by (process, kind) (router_state_free_bytes{J})", "{{process}} {{kind}}"),
            unit="bytes",
            steps=((0, RED), (2e9, "text")),
        ),
    ),
)
BOARD = Board("identity", "Event router: identity and state", about(__doc__), (NOW, IDENTITY, STATE))
