"""`router import` and what it shows."""
