"""The payee of a node's channels: its vault, its token, and its conditions for a channel."""

from dataclasses import dataclass

from contracts.crypto import Address
from contracts.eip712 import Domain
from contracts.payment import network_of
from contracts.structs import openlora_domain
from contracts.x402 import x402_domain


@dataclass(frozen=True, slots=True)
class Receiver:
    """The payee of every channel of this node.

    vault: the x402 `receiver` and `receiverAuthorizer`. token_name, token_version: the token's EIP-712 domain.
    min_deposit: in base units. min_withdraw_delay_s: the shortest delay between a payer's withdrawal request and its
    payout, in which the node must claim.
    """

    chain_id: int
    settlement: Address
    vault: Address
    token: Address
    token_name: str
    token_version: str
    min_withdraw_delay_s: int
    min_deposit: int

    @property
    def network(self) -> str:
        """The chain as CAIP-2 writes it."""
        return network_of(self.chain_id)

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of signed requests and receipts."""
        return openlora_domain(self.chain_id, self.settlement)

    @property
    def escrow_domain(self) -> Domain:
        """The EIP-712 domain of channel ids and vouchers."""
        return x402_domain(self.chain_id)

    @property
    def token_domain(self) -> Domain:
        """The EIP-712 domain of ERC-3009 authorizations."""
        return Domain(self.token_name, self.token_version, self.chain_id, self.token)
