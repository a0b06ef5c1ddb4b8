"""The contract that every connector keeps, as tests to be run with one of your own: pytest and pytest-asyncio run them.

Write the partner's double, a class of `HttpPartner` with `type`, `destination` (the connector's class), `configure`
(its settings) and `answer` (which calls `take` for what it accepts); then `class TestAcme(ConnectorContract)` with
`double = AcmePartner`. `router new --connector NAME` writes both, with a connector.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.mapping", f"{__name__}.sending")

from router.destinations.contract.events import call, delivery  # noqa: E402  asserts are rewritten at import
from router.destinations.contract.mapping import MappingContract  # noqa: E402
from router.destinations.contract.partner import HttpPartner, Partner, PartnerCall, Reply, Trouble, second  # noqa: E402
from router.destinations.contract.sending import SendingContract  # noqa: E402

__all__ = [
    "ConnectorContract",
    "HttpPartner",
    "MappingContract",
    "Partner",
    "PartnerCall",
    "Reply",
    "SendingContract",
    "Trouble",
    "call",
    "delivery",
    "second",
]


class ConnectorContract(MappingContract, SendingContract):
    """All of the contract. Subclass it, with the partner's class as `double`."""
