"""What every connector promises: the importable contract, once for each destination type that ships."""

from __future__ import annotations

import pytest

from router.destinations.contract import ConnectorContract
from router.destinations.registry import destination_types
from tests.partners import PARTNERS
from tests.partners.partner import Partner


class TestEveryConnector(ConnectorContract):
    @pytest.fixture(params=sorted(PARTNERS))
    def partner_type(self, request: pytest.FixtureRequest) -> type[Partner]:
        return PARTNERS[request.param]


def test_every_type_has_a_partner_to_be_tested_with() -> None:
    """Nobody ships outside the contract."""
    assert sorted(PARTNERS) == sorted(destination_types())
