"""The topology file: types, models, loader, lint."""
