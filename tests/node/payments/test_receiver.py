"""The receiver names the domains under which everything about it is signed."""

from contracts.eip712 import Domain
from contracts.structs import openlora_domain
from contracts.x402 import ESCROW
from tests.node.payments.shop import RECEIVER


def test_the_network_is_named_as_caip_2_does() -> None:
    assert RECEIVER.network == "eip155:31337"


def test_requests_vouchers_and_deposits_have_domains_of_their_own() -> None:
    assert RECEIVER.domain == openlora_domain(31337, RECEIVER.settlement)
    assert RECEIVER.escrow_domain == Domain("x402 Batch Settlement", "1", 31337, ESCROW)
    assert RECEIVER.token_domain == Domain("OPEN", "1", 31337, RECEIVER.token)
    assert len({domain.separator() for domain in (RECEIVER.domain, RECEIVER.escrow_domain, RECEIVER.token_domain)}) == 3
