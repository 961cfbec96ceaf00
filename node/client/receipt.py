"""Checks a receipt against what the payer knows: its own request, the signed prices, the prompt and the answer.

Not checked, because a payer cannot know them: `seq`, `termsHash`, the times, and whether the token counts are honest.
"""

from dataclasses import dataclass
from typing import Self

from contracts.crypto import ZERO_BYTES32, Address, Bytes32, InvalidSignature, recover
from contracts.document import Document
from contracts.eip712 import Domain
from contracts.encoding import commitment, to_hex
from contracts.fees import Prices, usage_fee
from contracts.structs import REGISTERED_WEIGHTS, UsageReceipt
from node.client.errors import Malformed, ReceiptRefused


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """What one payee gets of a fee, in base units. payee_kind: 0 an address, 1 a Datanet version, 2 the treasury."""

    payee_kind: int
    id: Bytes32
    label: str
    amount: int


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt as a node sends it. Only the payer gets the salts; they are None in a receipt fetched by its id."""

    id: Bytes32
    receipt: UsageReceipt
    signature: bytes
    prompt_salt: Bytes32 | None
    output_salt: Bytes32 | None
    lines: tuple[ReceiptLine, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        """The receipt in a node's JSON; ReceiptRefused if it is malformed."""
        try:
            document = Document.of(value, "", Malformed)
            return cls(
                id=document.bytes32("id"),
                receipt=document.struct("receipt", UsageReceipt),
                signature=document.raw_bytes("signature"),
                prompt_salt=document.bytes32("promptSalt") if "promptSalt" in document else None,
                output_salt=document.bytes32("outputSalt") if "outputSalt" in document else None,
                lines=tuple(_line(line) for line in document.nested_list("lines")),
            )
        except Malformed as error:
            raise ReceiptRefused("receipt", f"is malformed: {error}") from error


def _line(document: Document) -> ReceiptLine:
    label = document.text("label") if "label" in document else ""
    return ReceiptLine(document.uint("payeeKind"), document.bytes32("id"), label, document.uint("amount"))


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the payer signed and sent. max_fee: in base units. prompt: the body of the request."""

    domain: Domain
    operator: Address
    node: Address
    channel_id: Bytes32
    request_digest: Bytes32
    adapter_key: Bytes32
    price_hash: Bytes32
    prices: Prices
    max_fee: int
    prompt: bytes


@dataclass(frozen=True, slots=True)
class ReceivedOutput:
    """What the payer received: the output as UTF-8, and the token counts of OpenAI's `usage` if there is one."""

    output: bytes
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def verify_signed(signed: SignedReceipt, domain: Domain, operator: Address, node: Address) -> None:
    """Checks what is public: the id, the operator's signature, the vault, and that the lines add up to the fee.

    ReceiptRefused names the first field that is wrong.
    """
    receipt = signed.receipt
    _same("id", signed.id, receipt.struct_hash())
    try:
        signer = recover(receipt.digest(domain), signed.signature)
    except InvalidSignature as error:
        raise ReceiptRefused("signature", f"is invalid: {error}") from error
    if signer != operator:
        raise ReceiptRefused("signature", f"is by {signer}, not by the operator {operator}")
    _same("node", receipt.node, node)
    total = sum(line.amount for line in signed.lines)
    if total != receipt.fee:
        raise ReceiptRefused("lines", f"add up to {total}, the fee is {receipt.fee}")


def verify(signed: SignedReceipt, expected: Expectation, received: ReceivedOutput) -> None:
    """Checks everything that the payer can check. ReceiptRefused names the first field that is wrong."""
    receipt = signed.receipt
    verify_signed(signed, expected.domain, expected.operator, expected.node)
    _same("channelId", receipt.channel_id, expected.channel_id)
    _same("requestDigest", receipt.request_digest, expected.request_digest)
    _same("adapterKey", receipt.adapter_key, expected.adapter_key)
    _same("priceHash", receipt.price_hash, expected.price_hash)
    _verify_shares(receipt)
    _verify_commitment("promptCommit", receipt.prompt_commit, signed.prompt_salt, expected.prompt)
    _verify_commitment("outputCommit", receipt.output_commit, signed.output_salt, received.output)
    _verify_tokens(receipt, received)
    _verify_fee(receipt, expected)


def _verify_shares(receipt: UsageReceipt) -> None:
    if receipt.attribution_version != REGISTERED_WEIGHTS:
        raise ReceiptRefused(
            "attributionVersion", f"is {receipt.attribution_version}; only {REGISTERED_WEIGHTS} is known"
        )
    _same("sharesHash", receipt.shares_hash, ZERO_BYTES32)


def _verify_commitment(field: str, committed: Bytes32, salt: Bytes32 | None, content: bytes) -> None:
    if salt is None:
        raise ReceiptRefused(field, "cannot be checked: its salt is missing")
    if committed != commitment(salt, content):
        raise ReceiptRefused(field, "does not match what was sent and received")


def _verify_tokens(receipt: UsageReceipt, received: ReceivedOutput) -> None:
    counted = receipt.tokens_in + receipt.tokens_cached
    if received.prompt_tokens is not None and counted != received.prompt_tokens:
        raise ReceiptRefused("tokensIn", f"+ tokensCached is {counted}, the usage says {received.prompt_tokens}")
    if received.completion_tokens is not None and receipt.tokens_out != received.completion_tokens:
        raise ReceiptRefused("tokensOut", f"is {receipt.tokens_out}, the usage says {received.completion_tokens}")


def _verify_fee(receipt: UsageReceipt, expected: Expectation) -> None:
    free = receipt.fee == 0 and receipt.seq == 0
    price = usage_fee(expected.prices, receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out)
    if not free and receipt.fee != price:
        raise ReceiptRefused("fee", f"is {receipt.fee}, the signed prices make it {price}")
    if receipt.fee > expected.max_fee:
        raise ReceiptRefused("fee", f"is {receipt.fee}, at most {expected.max_fee} was signed")
    if not free and receipt.cum_before + receipt.fee > receipt.voucher_max:
        raise ReceiptRefused("voucherMax", f"is below cumBefore + fee, {receipt.cum_before + receipt.fee}")
    if receipt.finished_at < receipt.started_at:
        raise ReceiptRefused("finishedAt", "is before startedAt")


def _same(field: str, found: str | bytes, expected: str | bytes) -> None:
    if found != expected:
        raise ReceiptRefused(field, f"is {_text(found)}, expected {_text(expected)}")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else to_hex(value)
