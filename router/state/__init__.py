"""What a process keeps on disk: its slot, and RocksDB folders that are caches of a Kafka log."""
