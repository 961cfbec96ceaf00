"""What a node says about itself and its prices, parsed once."""

from dataclasses import dataclass
from typing import Self

from contracts.crypto import Address, Bytes32
from contracts.eip712 import Domain
from contracts.structs import openlora_domain
from contracts.x402 import ESCROW, MAX_WITHDRAW_DELAY_S, MIN_WITHDRAW_DELAY_S
from node.client.document import Document, Malformed

SCHEME = "batch-settlement"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class NodeCard:
    """GET /nodes/me of a paid node.

    vault: the address that is paid. requirements: the x402 PaymentRequirements this client answers, as the node sent
    them. min_deposit in base units; context_tokens bounds prompt and answer together.
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
        """Malformed names what is missing, or what this client refuses to sign for."""
        document = Document(value)
        chain_id = document.amount("chainId")
        if chain_id == 0:
            raise Malformed("chainId is 0: the node serves without payment, so no wallet is needed")
        if document.address("escrow") != ESCROW:
            raise Malformed(f"escrow must be {ESCROW}: vouchers are signed for no other contract")
        delay = document.amount("withdrawDelay")
        if not MIN_WITHDRAW_DELAY_S <= delay <= MAX_WITHDRAW_DELAY_S:
            raise Malformed(f"withdrawDelay must be {MIN_WITHDRAW_DELAY_S} to {MAX_WITHDRAW_DELAY_S} s, got {delay}")
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
            min_deposit=document.amount("minDeposit"),
            context_tokens=document.amount("contextTokens") if document.has("contextTokens") else None,
            requirements=_requirements(document, f"eip155:{chain_id}", vault, asset),
        )

    @property
    def domain(self) -> Domain:
        """What requests and receipts are signed under."""
        return openlora_domain(self.chain_id, self.settlement)

    @property
    def token_domain(self) -> Domain:
        """What deposits are signed under."""
        return Domain(self.asset_name, self.asset_version, self.chain_id, self.asset)


def _requirements(document: Document, network: str, vault: Address, asset: Address) -> dict[str, object]:
    for accept in document.objects("accepts"):
        if accept.text("scheme") == SCHEME and accept.text("network") == network and accept.address("asset") == asset:
            if accept.address("payTo") != vault or accept.object("extra").address("receiverAuthorizer") != vault:
                raise Malformed("accepts pays another address than the node's vault")
            return dict(accept.members)
    raise Malformed(f"accepts offers no {SCHEME} on {network} in the node's asset")


@dataclass(frozen=True, slots=True)
class Prices:
    """Token base units per million tokens, and the least a request costs."""

    prompt_per_m: int
    cached_per_m: int
    output_per_m: int
    min_fee: int

    def fee(self, tokens_in: int, tokens_cached: int, tokens_out: int) -> int:
        """max(minFee, ceil(Σ tokens · price / 10^6)), exactly as the settlement contract computes it."""
        total = tokens_in * self.prompt_per_m + tokens_cached * self.cached_per_m + tokens_out * self.output_per_m
        return max(self.min_fee, -(-total // MILLION))

    def bound(self, prompt_tokens: int, new_tokens: int) -> int:
        """The most a request can cost that reads and writes no more tokens than these."""
        dearest = max(self.prompt_per_m, self.cached_per_m)
        return max(self.min_fee, -(-(prompt_tokens * dearest + new_tokens * self.output_per_m) // MILLION))


@dataclass(frozen=True, slots=True)
class Quote:
    """GET /nodes/me/quote: what a model costs until `valid_until` (unix seconds)."""

    adapter_key: Bytes32
    price_hash: Bytes32
    prices: Prices
    max_fee: int
    valid_until: float

    @classmethod
    def parse(cls, value: object) -> Self:
        document = Document(value)
        prices = document.object("prices")
        return cls(
            adapter_key=document.bytes32("adapterKey"),
            price_hash=document.bytes32("priceHash"),
            prices=Prices(
                prompt_per_m=prices.amount("promptPerM"),
                cached_per_m=prices.amount("cachedPerM"),
                output_per_m=prices.amount("outputPerM"),
                min_fee=prices.amount("minFee"),
            ),
            max_fee=document.amount("maxFee"),
            valid_until=document.time("validUntil"),
        )
