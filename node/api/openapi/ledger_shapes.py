"""The JSON that payments, receipts, batches, earnings and health answer with, as models for the OpenAPI document."""

from typing import Literal

from pydantic import BaseModel, Field

from node.api.openapi.inference_shapes import SignedReceipt, TokenPrices
from node.api.openapi.scalars import Amount, Hex, Moment


class NodeCard(BaseModel):
    """Who this node is; on a paid node also everything that a client needs to pay it."""

    mode: Literal["free", "paid"]
    version: str
    operator: Hex
    node: Hex
    chainId: int
    base: str
    baseDigest: Hex
    tokenizerDigest: Hex
    contextTokens: int
    network: str | None = None
    settlement: Hex | None = None
    asset: Hex | None = None
    accepts: list[dict[str, object]] | None = None


class PriceQuote(BaseModel):
    """A model's prices, and the most that a request can cost."""

    model: str
    adapterKey: Hex
    priceHash: Hex
    termsHash: Hex
    prices: TokenPrices
    maxFee: Amount
    validUntil: Moment


class PaymentChannel(BaseModel):
    """A payment channel as this node knows it."""

    channelId: Hex
    channelConfig: dict[str, object]
    balance: Amount
    pendingWithdraw: Amount
    totalClaimed: Amount
    signedMax: Amount
    charged: Amount
    reserved: Amount
    capacity: Amount
    voucherSignature: Hex | None
    openedAt: Moment


class OpenedChannel(PaymentChannel):
    """A payment channel and the transaction of its deposit."""

    transaction: str


class PaymentChannels(BaseModel):
    """A payer's channels; `next` is the cursor of the following page."""

    data: list[PaymentChannel]
    next: str | None


class StoredReceipt(SignedReceipt):
    """A receipt by its id."""

    finishedAt: Moment
    payer: str | None


class StoredReceipts(BaseModel):
    """Receipts, newest first; `next` is the cursor of the following page."""

    data: list[StoredReceipt]
    next: str | None
    kept: int | None = None


class Posting(BaseModel):
    """Where a batch is: cut into the database, posted to the chain, or active."""

    status: Literal["cut", "posted", "active"]
    transaction: Hex | None
    block: int | None
    activeFrom: int | None


class ReceiptProof(Posting):
    """The Merkle proof that a receipt is part of a posted batch."""


class ReceiptBatch(Posting):
    """A batch of receipts."""

    epoch: int
    header: dict[str, str]
    headerHash: Hex


class ReceiptBatches(BaseModel):
    """Batches, newest first; `next` is the cursor of the following page."""

    data: list[ReceiptBatch]
    next: str | None


class DatanetVersion(BaseModel):
    """A version of a Datanet."""

    datanetId: Hex
    label: str | None
    version: int
    contentRoot: Hex
    contributorsRoot: Hex
    totalWeight: Amount
    contributorCount: int
    publishedAt: Moment


class DatanetVersions(BaseModel):
    """A list of Datanets or of their versions."""

    data: list[DatanetVersion]


class DatanetWithContributors(DatanetVersion):
    """A version of a Datanet with its contributors; null if this node lacks the list."""

    contributors: list[dict[str, object]] | None


class EarningTotals(BaseModel):
    """What an address has earned, by how far it has come."""

    accrued: Amount
    posted: Amount
    claimable: Amount
    claimed: Amount


class AddressEarnings(BaseModel):
    """The earnings of an address, and a series of what accrued."""

    address: Hex
    asset: Hex
    totals: EarningTotals
    series: list[dict[str, object]]
    unknownDatanets: list[dict[str, object]]
    next: str | None


class AddressClaims(BaseModel):
    """What an address can claim now, with proofs."""

    address: Hex
    amount: Amount
    claims: list[dict[str, object]]


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class NodeVersion(BaseModel):
    """This node's version."""

    version: str


class ReadinessCheck(BaseModel):
    """One check of readiness."""

    ok: bool
    reason: str


class NodeReadiness(BaseModel):
    """Whether the node takes requests, and the reason of each check."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, ReadinessCheck]


class X402Discovery(BaseModel):
    """The paid resources of this node, for x402 catalogues."""

    version: int
    x402Version: int
    resources: list[str]
    instructions: str
    items: list[dict[str, object]] = Field(default_factory=list)
