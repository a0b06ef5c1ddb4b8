"""What the tests of the contract run with: the partner's double, and a connector that is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest
import pytest_asyncio

from router.destinations.base import Connector
from router.destinations.contract.partner import Partner


class ContractFixtures:
    """`double` is the class of the partner. Override `partner_type` for several of them."""

    double: ClassVar[type[Partner]]
    pytestmark = pytest.mark.asyncio(loop_scope="function")

    @pytest.fixture
    def partner_type(self) -> type[Partner]:
        return self.double

    @pytest_asyncio.fixture(loop_scope="function")
    async def partner(self, partner_type: type[Partner], tmp_path: Path) -> AsyncIterator[Partner]:
        async with partner_type(tmp_path) as one:
            yield one

    @pytest_asyncio.fixture(loop_scope="function")
    async def connector(self, partner: Partner) -> AsyncIterator[Connector]:
        one = partner.connector()
        await one.open()
        yield one
        await one.close()
