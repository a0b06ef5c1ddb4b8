"""Settings that HTTP connectors share: addresses, regions and keys, each checked as the topology is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, SecretStr, field_validator
from yarl import URL

from router.destinations.base import Settings


def _key(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or any(map(str.isspace, text)):
        raise ValueError("expected a key without blanks, got one with blanks or other signs that no key has, or none")
    return value


_NO_HOST = re.compile(r"[\s\x00-\x20\x7f\"<>\\^`{|}]")
ApiKey = Annotated[SecretStr, AfterValidator(_key)]


def _is_host(name: str) -> bool:
    try:
        name.encode("idna")  # as the resolver does
    except UnicodeError:
        return False
    return name.strip(".") != "" and not _NO_HOST.search(name)


def checked_url(value: str) -> str:
    """An http or https URL with a host and without credentials. Raises ValueError, which does not repeat it."""
    try:
        url = URL(value)
    except ValueError:
        raise ValueError("expected an http or https URL, got a text that is none") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("expected an http or https URL with a host")
    if value != value.strip():
        raise ValueError("expected a URL without blanks around it")
    if not _is_host(url.host):
        raise ValueError("expected a URL with a host, got blanks or signs that no host has, or an empty part")
    if url.user is not None or url.password is not None:
        raise ValueError("expected no user name in the URL; use the header Authorization")
    return value


class HttpSettings(Settings):
    """What every HTTP connector's settings have."""

    allow_private: bool = Field(
        False, description="Allow loopback and private addresses; never link-local and metadata ones"
    )


class PartnerSettings(HttpSettings):
    """Settings of a partner with addresses of its own. `regions` names them; the first one is the default."""

    regions: ClassVar[Mapping[str, str]] = {}

    region: str | None = Field(None, description="Where the account lives; left out: the first region of the list")
    base_url: str | None = Field(
        None, description="Sent here instead of the partner's own address: a proxy, or a double in tests"
    )

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str | None) -> str | None:
        if value is not None and value not in cls.regions:
            raise ValueError(f"expected one of {', '.join(cls.regions) or 'no region'}, got {value}")
        return value

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str | None) -> str | None:
        return value and checked_url(value)

    @property
    def address(self) -> str:
        """The base URL in force, without a slash at its end."""
        return (self.base_url or self.regions[self.region or next(iter(self.regions))]).rstrip("/")
