"""What a double is made of: the contract's own parts."""

from router.destinations.contract.partner import HttpPartner, Partner, Reply, Trouble, second
from router.destinations.contract.partner import PartnerCall as Call

__all__ = ["Call", "HttpPartner", "Partner", "Reply", "Trouble", "second"]
