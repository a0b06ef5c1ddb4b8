"""Reference pages, made from the code: `python -m ops.reference` writes them, a test says when they are out of date."""
