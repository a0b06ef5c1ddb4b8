"""The window of dedupe: first receive times by key, in memory and on RocksDB, and the changelog that restores it."""
