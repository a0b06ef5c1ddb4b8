"""One language for "this field of the event goes there": paths, constants, templates, conversions.

Destinations (`map`, `http`) and partner sources speak it. All of it is pure, compiled once, and never raises for data.
"""
