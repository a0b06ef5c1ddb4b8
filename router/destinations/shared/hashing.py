"""Advertisers' hashes, for connectors. The rules stand in `router.mapping.hashing`, for a topology's `as:` as well."""

from router.mapping.hashing import (
    MetaField,
    adroll_email,
    google_email,
    google_name,
    google_phone,
    meta,
    sha256,
)

__all__ = ["MetaField", "adroll_email", "google_email", "google_name", "google_phone", "meta", "sha256"]
