"""The ledger's transition function: state and receipt → next state, or the rule that the receipt breaks.

T1 `seq` and node continue the ledger.
T2 The channel pays this vault, and its payer signed the voucher.
T3 Price list and terms are registered and in force, and the fee follows from them.
T4 The channel's charges tile [0, charged) and stay below the voucher.
T5 The shares are allowed.
T6 Each payee's EARNED grows by its lines; CHARGED and the total grow by the fee; nothing else changes.
T7 The receipt finished after the last batch closed, and its duration is bounded.
T8 How receipts chain into a batch: see `attribution.batch`.
T9 The signed request or voucher behind `requestDigest` consents to the receipt.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from attribution.receipts import Status
from attribution.split import InvalidSplit, lines
from attribution.state_tree import StateTree, charged_key, earned_key, state_root
from contracts.crypto import ZERO_ADDRESS, ZERO_BYTES32, Address, Bytes32, InvalidSignature, recover
from contracts.eip712 import Domain
from contracts.fees import usage_fee
from contracts.structs import MAX_DURATION_S, REGISTERED_WEIGHTS, InferenceRequest, PriceList, Terms, UsageReceipt
from contracts.x402 import ChannelConfig, Voucher, x402_domain

Rule = Literal["T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9"]
V = TypeVar("V")

_UINT128_LIMIT = 1 << 128
_FAULTS: dict[Rule, tuple[str, ...]] = {
    "T1": ("WrongNode", "WrongSeq", "NotCharged"),
    "T2": ("WrongChannel", "ForeignChannel", "NoPayerAuthorizer", "WrongVoucherSigner"),
    "T3": (
        "WrongPriceList",
        "ForeignPriceList",
        "PriceListNotInForce",
        "WrongFee",
        "WrongTerms",
        "ForeignTerms",
        "TermsNotInForce",
        "TermsMissing",
        "SplitAboveFee",
    ),
    "T4": ("WrongCharge", "AboveVoucher"),
    "T5": ("UnknownAttribution", "UnexpectedShares"),
    "T6": ("TotalTooLarge",),
    "T7": ("FinishedOutsideBatch", "WrongDuration"),
    "T9": ("WrongRequest", "WrongRequestSigner", "RequestDisagrees", "FeeAboveMaximum"),
}
_RULES = {fault: rule for rule, faults in _FAULTS.items() for fault in faults}


class InvalidTransition(ValueError):
    """A receipt or header breaks `rule` of the ledger.

    fault: the error with which the Judge contract refuses the same receipt; empty for rules about headers.
    """

    def __init__(self, rule: Rule, detail: str, fault: str = "") -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule, self.detail, self.fault = rule, detail, fault


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger that a receipt belongs to: a vault, its token, and the chain and Settlement contract (in `domain`)."""

    node: Address
    token: Address
    domain: Domain
    max_duration_s: int = MAX_DURATION_S


@dataclass(frozen=True, slots=True)
class LedgerState:
    """A ledger after receipt `seq`. tree: EARNED per payee, CHARGED per channel. cum_total: Σ fees. In base units.

    finished_at: the latest `finishedAt` so far. closed_at: the `closedAt` of the last header, which T7 compares with;
    receipts of one batch may finish in any order.
    """

    ledger: Ledger
    seq: int
    finished_at: int
    cum_total: int
    tree: StateTree
    closed_at: int = 0

    @classmethod
    def genesis(cls, ledger: Ledger) -> "LedgerState":
        """The state before the first receipt: nothing earned, nothing charged."""
        return cls(ledger, seq=0, finished_at=0, cum_total=0, tree=StateTree())

    @property
    def root(self) -> Bytes32:
        """The state root that receipts and headers name."""
        return state_root(self.tree.root, self.cum_total)


@dataclass(frozen=True, slots=True)
class Registered(Generic[V]):
    """A registered value and its window [from_, until) in unix seconds; `until` is None while it has no successor."""

    value: V
    from_: int
    until: int | None = None

    def holds(self, at: int) -> bool:
        """Whether the value is in force at `at` (unix seconds)."""
        return self.from_ <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The preimages of a receipt's hashes, the payer's signatures, and the registrations from the chain.

    terms: None iff the receipt's `termsHash` is 0. terms_from: then the time since when the adapter has terms (None:
    never). request: None for a client that signs vouchers only.
    """

    config: ChannelConfig
    voucher_signature: bytes
    price_list: Registered[PriceList]
    terms: Registered[Terms] | None
    terms_from: int | None = None
    request: InferenceRequest | None = None
    request_signature: bytes | None = None


def apply(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> LedgerState:
    """The state after `receipt`; InvalidTransition names the first rule it breaks. For `attributionVersion` 1 only."""
    for check in _CHECKS:
        check(state, receipt, evidence)
    return advance(state, receipt, evidence.price_list.value, evidence.terms.value if evidence.terms else None)


def advance(state: LedgerState, receipt: UsageReceipt, price_list: PriceList, terms: Terms | None) -> LedgerState:
    """T6 alone: the state after a receipt that was judged before, as when a ledger is rebuilt from stored receipts."""
    try:
        earned = lines(receipt.fee, price_list, terms)
    except InvalidSplit as error:
        raise InvalidTransition(_RULES["SplitAboveFee"], str(error), "SplitAboveFee") from error
    deltas = {earned_key(payee): amount for payee, amount in earned.items()}
    deltas[charged_key(receipt.channel_id)] = receipt.fee
    cum_total = state.cum_total + receipt.fee
    _require("TotalTooLarge", cum_total < _UINT128_LIMIT, "the ledger's total no longer fits 128 bits")
    tree = state.tree.update({key: state.tree.get(key) + delta for key, delta in deltas.items()})
    finished_at = max(state.finished_at, receipt.finished_at)
    return replace(state, seq=receipt.seq, finished_at=finished_at, cum_total=cum_total, tree=tree)


def _check_number(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    _require("WrongNode", receipt.node == state.ledger.node, f"the receipt is of node {receipt.node}")
    _require("WrongSeq", receipt.seq == state.seq + 1, f"receipt {receipt.seq} cannot follow {state.seq}")
    charged = receipt.fee > 0 and receipt.status in (Status.FINISHED, Status.ABORTED)
    _require("NotCharged", charged, f"status {receipt.status} with fee {receipt.fee} takes no number")


def _check_channel(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    config, ledger = evidence.config, state.ledger
    named = config.channel_id(ledger.domain.chain_id)
    _require("WrongChannel", named == receipt.channel_id, "the channel's configuration has another channel id")
    ours = config.receiver == config.receiver_authorizer == ledger.node and config.token == ledger.token
    _require("ForeignChannel", ours, "the channel pays another vault or token")
    _require("NoPayerAuthorizer", config.payer_authorizer != ZERO_ADDRESS, "the channel names no key that signs")
    signer = _signer("WrongVoucherSigner", _voucher_digest(state, receipt), evidence.voucher_signature)
    _require("WrongVoucherSigner", signer == config.payer_authorizer, f"the voucher is signed by {signer}")


def _check_price(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    registered = evidence.price_list
    _require(
        "WrongPriceList",
        registered.value.remembered_hash() == receipt.price_hash,
        "another price list than the receipt's",
    )
    ours = registered.value.node == receipt.node and registered.value.adapter_key in (receipt.adapter_key, ZERO_BYTES32)
    _require("ForeignPriceList", ours, "the price list is for another node or adapter")
    _require(
        "PriceListNotInForce",
        registered.holds(receipt.started_at),
        f"the price list did not hold at {receipt.started_at}",
    )
    fee = usage_fee(registered.value, receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out)
    _require("WrongFee", receipt.fee == fee, f"the price is {fee}, the receipt says {receipt.fee}")


def _check_terms(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    registered = evidence.terms
    if registered is None:
        _require("WrongTerms", receipt.terms_hash == ZERO_BYTES32, "the terms of the receipt are not known")
        unbound = evidence.terms_from is None or receipt.started_at < evidence.terms_from
        _require("TermsMissing", unbound, "the adapter has terms but the receipt names none")
        return
    _require("WrongTerms", registered.value.remembered_hash() == receipt.terms_hash, "other terms than the receipt's")
    _require("ForeignTerms", registered.value.adapter_key == receipt.adapter_key, "the terms are for another adapter")
    _require("TermsNotInForce", registered.holds(receipt.started_at), f"the terms did not hold at {receipt.started_at}")


def _check_charge(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    charged = state.tree.get(charged_key(receipt.channel_id))
    tiles = charged == receipt.cum_before
    _require(
        "WrongCharge", tiles, f"the channel is charged up to {charged}, the receipt starts at {receipt.cum_before}"
    )
    covered = receipt.cum_before + receipt.fee <= receipt.voucher_max
    _require("AboveVoucher", covered, f"the fee goes beyond the voucher's {receipt.voucher_max}")


def _check_shares(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    known = receipt.attribution_version == REGISTERED_WEIGHTS
    _require("UnknownAttribution", known, f"attribution version {receipt.attribution_version} is unknown")
    _require("UnexpectedShares", receipt.shares_hash == ZERO_BYTES32, "attribution version 1 carries no shares")


def _check_times(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    ordered = state.closed_at <= receipt.finished_at
    detail = f"finished at {receipt.finished_at}, before the last batch closed at {state.closed_at}"
    _require("FinishedOutsideBatch", ordered, detail)
    duration = receipt.finished_at - receipt.started_at
    _require("WrongDuration", 0 <= duration <= state.ledger.max_duration_s, f"took {duration} s")


def _check_consent(state: LedgerState, receipt: UsageReceipt, evidence: Evidence) -> None:
    request = evidence.request
    if request is None:
        opens = receipt.request_digest == _voucher_digest(state, receipt)
        _require("WrongRequest", opens, "the request digest is not the voucher's and no signed request is given")
        return
    digest = request.digest(state.ledger.domain)
    _require("WrongRequest", digest == receipt.request_digest, "another request than the receipt's")
    signer = _signer("WrongRequestSigner", digest, evidence.request_signature or b"")
    _require("WrongRequestSigner", signer == evidence.config.payer_authorizer, f"the request is signed by {signer}")
    for name in ("node", "channel_id", "adapter_key", "price_hash"):
        _require(
            "RequestDisagrees", getattr(request, name) == getattr(receipt, name), f"the payer asked for another {name}"
        )
    _require(
        "FeeAboveMaximum",
        receipt.fee <= request.max_fee,
        f"the payer allowed {request.max_fee}, the fee is {receipt.fee}",
    )


_Check = Callable[[LedgerState, UsageReceipt, Evidence], None]
_CHECKS: tuple[_Check, ...] = (
    _check_number,
    _check_channel,
    _check_price,
    _check_terms,
    _check_charge,
    _check_shares,
    _check_times,
    _check_consent,
)


def _voucher_digest(state: LedgerState, receipt: UsageReceipt) -> Bytes32:
    voucher = Voucher(receipt.channel_id, receipt.voucher_max)
    return voucher.digest(x402_domain(state.ledger.domain.chain_id))


def _signer(fault: str, digest: bytes, signature: bytes) -> Address:
    try:
        return recover(digest, signature)
    except InvalidSignature as error:
        raise InvalidTransition(_RULES[fault], str(error), fault) from error


def _require(fault: str, holds: bool, detail: str) -> None:
    if not holds:
        raise InvalidTransition(_RULES[fault], detail, fault)
