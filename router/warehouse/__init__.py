"""Events as tables of a warehouse, in Segment's schema: names, rows, types, and the two databases that they are for."""
