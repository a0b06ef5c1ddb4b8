"""Brokers for tests: which one is at hand, and how each is started and ended."""
