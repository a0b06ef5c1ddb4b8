"""The destination modules that ship, in alphabetical order. Importing one registers its type; none does I/O."""

from router.destinations import customerio, file, webhook

__all__ = ["customerio", "file", "webhook"]
