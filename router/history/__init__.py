"""Events of the past and rows of databases as events of a source: `router import` and `router pull`."""
