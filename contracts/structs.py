"""The only Python definition of every struct that the protocol signs or hashes. See docs/protocol.md."""

from dataclasses import dataclass
from typing import ClassVar

from contracts.crypto import ZERO_ADDRESS, Address, Bytes32
from contracts.eip712 import Domain, Struct


def openlora_domain(chain_id: int, settlement: Address) -> Domain:
    """The EIP-712 domain of requests, receipts and payouts. A node without a chain signs under `NO_CHAIN`."""
    return Domain("OpenLoRA", "1", chain_id, settlement)


NO_CHAIN = Domain("OpenLoRA", "1", 0, ZERO_ADDRESS)


MAX_REQUEST_LIFETIME_S = 300
"""How far ahead the deadline of an `InferenceRequest` may be."""
MAX_DURATION_S = 3600
"""The longest a request may take, from `startedAt` to `finishedAt` of its receipt."""
REGISTERED_WEIGHTS = 1
"""The `attributionVersion` whose split follows from the registered terms alone; `sharesHash` is then 0."""


@dataclass(frozen=True, slots=True)
class InferenceRequest(Struct):
    """A payer's consent to one request: its body, channel, adapter, prices and highest fee.

    nonce: works once per channel. deadline: unix seconds.
    """

    TYPE: ClassVar[str] = (
        "InferenceRequest(address node,bytes32 channelId,bytes32 adapterKey,bytes32 requestHash,"
        "uint128 maxFee,bytes32 priceHash,uint256 nonce,uint64 deadline)"
    )
    node: Address
    channel_id: Bytes32
    adapter_key: Bytes32
    request_hash: Bytes32
    max_fee: int
    price_hash: Bytes32
    nonce: int
    deadline: int


@dataclass(frozen=True, slots=True)
class UsageReceipt(Struct):
    """What a served request used and cost, signed by the node's operator key.

    Amounts in token base units, times in unix seconds. `tokens_in` excludes `tokens_cached`.
    """

    TYPE: ClassVar[str] = (
        "UsageReceipt(address node,uint64 seq,bytes32 channelId,bytes32 requestDigest,bytes32 adapterKey,"
        "bytes32 priceHash,bytes32 termsHash,bytes32 sharesHash,uint32 attributionVersion,bytes32 promptCommit,"
        "bytes32 outputCommit,uint32 tokensIn,uint32 tokensCached,uint32 tokensOut,uint128 fee,uint128 cumBefore,"
        "uint128 voucherMax,uint64 startedAt,uint64 finishedAt,uint8 status)"
    )
    node: Address
    seq: int
    channel_id: Bytes32
    request_digest: Bytes32
    adapter_key: Bytes32
    price_hash: Bytes32
    terms_hash: Bytes32
    shares_hash: Bytes32
    attribution_version: int
    prompt_commit: Bytes32
    output_commit: Bytes32
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    fee: int
    cum_before: int
    voucher_max: int
    started_at: int
    finished_at: int
    status: int


@dataclass(frozen=True, slots=True)
class PriceList(Struct):
    """A node's registered prices in token base units per million tokens. `adapter_key` 0 is the node's default list."""

    TYPE: ClassVar[str] = (
        "PriceList(address node,bytes32 adapterKey,uint96 promptPerM,uint96 cachedPerM,uint96 outputPerM,"
        "uint96 minFee,address operatorPayee,uint32 treasuryPpm)"
    )
    node: Address
    adapter_key: Bytes32
    prompt_per_m: int
    cached_per_m: int
    output_per_m: int
    min_fee: int
    operator_payee: Address
    treasury_ppm: int


@dataclass(frozen=True, slots=True)
class DatanetLink(Struct):
    """A Datanet version that an adapter was trained on, and its part (ppm) of the adapter's data part."""

    TYPE: ClassVar[str] = "DatanetLink(bytes32 datanetId,uint32 version,uint32 ppm)"
    datanet_id: Bytes32
    version: int
    ppm: int


@dataclass(frozen=True, slots=True)
class Terms(Struct):
    """The terms of an adapter's owner: royalty, data part, and the Datanets that share the data part."""

    TYPE: ClassVar[str] = (
        "Terms(bytes32 adapterKey,address owner,uint32 royaltyPpm,uint32 dataPpm,uint32 evidencePpm,"
        "bytes32 manifestDigest,DatanetLink[] datanets)"
    )
    adapter_key: Bytes32
    owner: Address
    royalty_ppm: int
    data_ppm: int
    evidence_ppm: int
    manifest_digest: Bytes32
    datanets: tuple[DatanetLink, ...]


@dataclass(frozen=True, slots=True)
class BatchHeader(Struct):
    """The on-chain summary of consecutive receipts of a node. closed_at: unix seconds."""

    TYPE: ClassVar[str] = (
        "BatchHeader(address node,uint64 epoch,uint64 fromSeq,uint32 count,bytes32 prevHeaderHash,"
        "bytes32 prevStateRoot,bytes32 stateRoot,uint128 cumTotal,bytes32 receiptsRoot,uint64 closedAt)"
    )
    node: Address
    epoch: int
    from_seq: int
    count: int
    prev_header_hash: Bytes32
    prev_state_root: Bytes32
    state_root: Bytes32
    cum_total: int
    receipts_root: Bytes32
    closed_at: int


@dataclass(frozen=True, slots=True)
class PayoutChange(Struct):
    """A payee's instruction to pay its claims to another address. deadline: unix seconds."""

    TYPE: ClassVar[str] = "PayoutChange(address payee,address to,uint256 nonce,uint64 deadline)"
    payee: Address
    to: Address
    nonce: int
    deadline: int
