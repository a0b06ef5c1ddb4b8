"""Live events: what arrives, joined with what became of it, for any number of browsers and one reader."""
