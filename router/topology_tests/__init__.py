"""Topology tests: events in, expected outputs, run through the real agents without a broker."""
