"""From a destination's topic to its partner: policies composed context a connector, and the processes that run them."""
