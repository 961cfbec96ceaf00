"""Who is paid, in what, and which channels are good enough."""

from dataclasses import dataclass

from contracts.crypto import Address
from contracts.eip712 import Domain
from contracts.structs import openlora_domain
from contracts.x402 import x402_domain


@dataclass(frozen=True, slots=True)
class Receiver:
    """The payee side of every channel of this node.

    vault: x402 `receiver` and `receiverAuthorizer`. token_name, token_version: the token's EIP-712 domain.
    min_deposit in base units; min_withdraw_delay_s bounds how fast a payer may leave.
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
        return f"eip155:{self.chain_id}"

    @property
    def domain(self) -> Domain:
        """What signed requests and receipts are bound to."""
        return openlora_domain(self.chain_id, self.settlement)

    @property
    def escrow_domain(self) -> Domain:
        """What channel ids and vouchers are bound to."""
        return x402_domain(self.chain_id)

    @property
    def token_domain(self) -> Domain:
        """What ERC-3009 authorisations are bound to."""
        return Domain(self.token_name, self.token_version, self.chain_id, self.token)
