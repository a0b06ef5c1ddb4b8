"""Functions of one's own, run on events in processes apart: found, checked, called with limits, never trusted."""
