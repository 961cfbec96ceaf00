"""What a node publishes about itself and its prices, parsed once."""

from dataclasses import dataclass
from typing import Self

from contracts.crypto import Address, Bytes32
from contracts.document import Document
from contracts.eip712 import Domain
from contracts.payment import SCHEME, network_of
from contracts.structs import openlora_domain
from contracts.x402 import ESCROW, MAX_WITHDRAW_DELAY_S, MIN_WITHDRAW_DELAY_S
from node.client.errors import Malformed


@dataclass(frozen=True, slots=True)
class NodeCard:
    """GET /nodes/me of a paid node.

    vault: the address that is paid. requirements: the x402 PaymentRequirements that this client accepts, as the node
    sent them. min_deposit: in base units. context_tokens: the most tokens of prompt and output together.
    """

    vault: Address
    operator: Address
    chain_id: int
    settlement: Address
    asset: Address
    asset_name: str
    asset_version: str
    withdraw_delay_s: int
    min_deposit: int
    context_tokens: int | None
    requirements: dict[str, object]

    @classmethod
    def parse(cls, value: object) -> Self:
        """Malformed names the member that is missing or wrong, or that this client refuses to sign for."""
        document = Document.of(value, "", Malformed)
        chain_id = document.uint("chainId")
        if chain_id == 0:
            raise Malformed("chainId", "is 0: the node serves without payment, so no wallet is needed")
        if document.address("escrow") != ESCROW:
            raise Malformed("escrow", f"must be {ESCROW}: vouchers are signed for no other contract")
        delay = document.uint("withdrawDelay")
        if not MIN_WITHDRAW_DELAY_S <= delay <= MAX_WITHDRAW_DELAY_S:
            allowed = f"{MIN_WITHDRAW_DELAY_S} to {MAX_WITHDRAW_DELAY_S} s"
            raise Malformed("withdrawDelay", f"must be {allowed}, got {delay}")
        vault, asset = document.address("node"), document.address("asset")
        return cls(
            vault=vault,
            operator=document.address("operator"),
            chain_id=chain_id,
            settlement=document.address("settlement"),
            asset=asset,
            asset_name=document.text("assetName"),
            asset_version=document.text("assetVersion"),
            withdraw_delay_s=delay,
            min_deposit=document.uint("minDeposit"),
            context_tokens=document.uint("contextTokens") if "contextTokens" in document else None,
            requirements=_requirements(document, network_of(chain_id), vault, asset),
        )

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of requests and receipts."""
        return openlora_domain(self.chain_id, self.settlement)

    @property
    def token_domain(self) -> Domain:
        """The EIP-712 domain of deposits."""
        return Domain(self.asset_name, self.asset_version, self.chain_id, self.asset)

    def accepted(self, amount: int) -> dict[str, object]:
        """The node's x402 PaymentRequirements with `amount` base units, as a PaymentPayload repeats them."""
        return self.requirements | {"amount": str(amount)}


def _requirements(document: Document, network: str, vault: Address, asset: Address) -> dict[str, object]:
    for accept in document.nested_list("accepts"):
        if accept.text("scheme") == SCHEME and accept.text("network") == network and accept.address("asset") == asset:
            if accept.address("payTo") != vault or accept.nested("extra").address("receiverAuthorizer") != vault:
                raise Malformed("accepts", "pays another address than the node's vault")
            return dict(accept.members)
    raise Malformed("accepts", f"offers no {SCHEME} on {network} in the node's asset")


@dataclass(frozen=True, slots=True)
class QuotedPrices:
    """Token base units per million tokens, and the least that a request costs. See `contracts.fees.Prices`."""

    prompt_per_m: int
    cached_per_m: int
    output_per_m: int
    min_fee: int


@dataclass(frozen=True, slots=True)
class NodeQuote:
    """GET /nodes/me/quote: what a model costs until `valid_until` (unix seconds).

    max_fee: the most that the quoted request can cost, by the node's own count, in base units.
    """

    adapter_key: Bytes32
    price_hash: Bytes32
    prices: QuotedPrices
    max_fee: int
    valid_until: float

    @classmethod
    def parse(cls, value: object) -> Self:
        """Malformed names the member that is missing or wrong."""
        document = Document.of(value, "", Malformed)
        prices = document.nested("prices")
        return cls(
            adapter_key=document.bytes32("adapterKey"),
            price_hash=document.bytes32("priceHash"),
            prices=QuotedPrices(
                prompt_per_m=prices.uint("promptPerM"),
                cached_per_m=prices.uint("cachedPerM"),
                output_per_m=prices.uint("outputPerM"),
                min_fee=prices.uint("minFee"),
            ),
            max_fee=document.uint("maxFee"),
            valid_until=document.time("validUntil"),
        )
