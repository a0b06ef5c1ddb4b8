"""The loop that runs the agents: consume, process, make durable; restore, rebalance."""
