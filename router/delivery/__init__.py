"""From a destination's topic to its partner: policies composed around a connector, and the processes that run them."""
