"""The checks of a single receipt. Each names its source: the chain, a file, or what the node says about itself."""

from dataclasses import dataclass
from typing import Literal

from attribution.receipt_proof import ReceiptProof
from attribution.receipts import MalformedReceipt, check_form
from attribution.receipts_file import Entry, ReceiptsFile
from attribution.split import InvalidSplit, Payee, lines
from contracts.crypto import Address
from contracts.eip712 import Domain
from contracts.encoding import BASE_KEY, to_hex
from contracts.fees import usage_fee
from contracts.structs import NO_CHAIN, PriceList, Terms, openlora_domain
from node.client.errors import ReceiptRefused
from node.client.receipt import SignedReceipt, verify_signed
from node.watch.registries import Registries
from node.watch.source import Card


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """The result of one check. skipped: its source is not available."""

    name: str
    verdict: Literal["ok", "WRONG", "skipped"]
    detail: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What a receipt can be checked with. file: the batch that holds it. proof: its place in a batch."""

    registries: Registries | None = None
    file: ReceiptsFile | None = None
    proof: ReceiptProof | None = None
    card: Card | None = None


async def examine(signed: SignedReceipt, sources: Sources) -> list[ReceiptCheck]:
    """All checks of one receipt, in the order of what they need."""
    checks = [await _signature(signed, sources), _form(signed)]
    if signed.receipt.seq == 0:
        return [*checks, ReceiptCheck("price and split", "ok", "nothing was charged")]
    return [*checks, await _split(signed, sources), await _batch(signed, sources)]


def _form(signed: SignedReceipt) -> ReceiptCheck:
    try:
        check_form(signed.receipt)
    except MalformedReceipt as error:
        return ReceiptCheck("form", "WRONG", f"it {error}")
    return ReceiptCheck("form", "ok", "status, number and amounts fit together")


async def _signature(signed: SignedReceipt, sources: Sources) -> ReceiptCheck:
    receipt, file, card = signed.receipt, sources.file, sources.card
    if sources.registries is not None:
        operator: Address | None = await sources.registries.operator_at(receipt.node, receipt.finished_at)
        domain = openlora_domain(sources.registries.client.chain_id, sources.registries.deployment.settlement)
        if card is not None and card.domain == NO_CHAIN and receipt.seq == 0:
            return _signed_by(signed, NO_CHAIN, card.operator, "a node without a chain, as the node itself says")
        return _signed_by(signed, domain, operator, "the operator registered on the chain")
    if file is not None and file.operators:
        return _signed_by(signed, file.domain, file.operator_at(receipt.finished_at), "the operator by the batch file")
    if card is not None:
        who = "a node without a chain" if card.domain == NO_CHAIN else "the operator"
        return _signed_by(signed, card.domain, card.operator, f"{who}, as the node itself says")
    return _skipped("signature", "save GET /nodes/me of the node, or give its batch file")


def _signed_by(signed: SignedReceipt, domain: Domain, operator: Address | None, who: str) -> ReceiptCheck:
    if operator is None:
        return ReceiptCheck("signature", "WRONG", f"no operator is named at {signed.receipt.finished_at}")
    try:
        verify_signed(signed, domain, operator, signed.receipt.node)
    except ReceiptRefused as error:
        return ReceiptCheck("signature", "WRONG", str(error))
    return ReceiptCheck("signature", "ok", f"by {operator}, {who}")


async def _split(signed: SignedReceipt, sources: Sources) -> ReceiptCheck:
    """Computes fee and lines again from the price list and terms that were in force at `startedAt`."""
    found = await _agreed(signed, sources)
    if isinstance(found, ReceiptCheck):
        return found
    receipt, (price_list, terms, source) = signed.receipt, found
    due = usage_fee(price_list, receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out)
    if receipt.fee != due:
        return _wrong(f"the fee is {receipt.fee}, the registered prices make it {due}")
    try:
        expected = lines(receipt.fee, price_list, terms)
    except InvalidSplit as error:
        return _wrong(str(error))
    issued = {Payee(line.payee_kind, line.id): line.amount for line in signed.lines}
    if issued != expected:
        return _wrong("the lines differ from what the registered terms give")
    detail = f"{receipt.fee} base units to {len(expected)} payees, as {source}"
    return ReceiptCheck("price and split", "ok", detail)


async def _agreed(signed: SignedReceipt, sources: Sources) -> tuple[PriceList, Terms | None, str] | ReceiptCheck:
    """The price list and terms of the receipt with their source; a failed check if others were in force (T3)."""
    receipt, chain = signed.receipt, sources.registries
    if chain is None:
        entry = _entry(signed, sources.file)
        if entry is None:
            return _skipped("price and split", "set OPENLORA_CHAIN_RPC and OPENLORA_DEPLOYMENT, or give its batch file")
        terms = entry.evidence.terms
        return entry.evidence.price_list.value, terms.value if terms else None, "the batch file says"
    price_list, at = await chain.price_list(receipt.price_hash), receipt.started_at
    if price_list.node != receipt.node or price_list.adapter_key not in (receipt.adapter_key, BASE_KEY):
        return _wrong(f"its price list is of node {price_list.node} and adapter {to_hex(price_list.adapter_key)}")
    in_force = await chain.price_hash_at(receipt.node, price_list.adapter_key, at)
    if in_force != receipt.price_hash:
        return _wrong(f"the price list in force at {at} is {to_hex(in_force)}, not {to_hex(receipt.price_hash)}")
    terms_hash = await chain.terms_hash_at(receipt.adapter_key, at)
    if terms_hash != receipt.terms_hash:
        return _wrong(f"the terms in force at {at} are {to_hex(terms_hash)}, not {to_hex(receipt.terms_hash)}")
    return price_list, await chain.terms(terms_hash), "registered"


async def _batch(signed: SignedReceipt, sources: Sources) -> ReceiptCheck:
    """Checks that the receipt is a leaf of a batch of its own vault, and that the chain holds that batch's header."""
    receipt, file, proof = signed.receipt, sources.file, sources.proof
    if file is not None:
        entry = _entry(signed, file)
        if entry is None or entry.receipt != receipt:
            posted = f", which has {to_hex(entry.receipt.struct_hash())} as number {receipt.seq}" if entry else ""
            return ReceiptCheck("batch", "WRONG", f"it is not in the batch file{posted}")
        header, index = file.header, receipt.seq - file.header.from_seq
    elif proof is not None:
        wrong = proof.wrong(receipt)
        if wrong is not None:
            return ReceiptCheck("batch", "WRONG", wrong)
        header, index = proof.header, proof.index
    else:
        return ReceiptCheck("batch", "skipped", "the receipt is in no posted batch yet, or no proof was given")
    leaf = f"leaf {index} of epoch {header.epoch}"
    if sources.registries is None:
        return ReceiptCheck("batch", "ok", f"{leaf}; no chain was asked for header {to_hex(header.struct_hash())}")
    if not await sources.registries.is_posted(header):
        return ReceiptCheck("batch", "WRONG", f"the chain holds another header for epoch {header.epoch}")
    return ReceiptCheck("batch", "ok", f"{leaf}, which is posted")


def _entry(signed: SignedReceipt, file: ReceiptsFile | None) -> Entry | None:
    """The entry of the file with the number of the receipt; None if its batch has no such number."""
    if file is None or file.header.node != signed.receipt.node:
        return None
    index = signed.receipt.seq - file.header.from_seq
    return file.entries[index] if 0 <= index < len(file.entries) else None


def _wrong(detail: str) -> ReceiptCheck:
    return ReceiptCheck("price and split", "WRONG", detail)


def _skipped(name: str, fix: str) -> ReceiptCheck:
    return ReceiptCheck(name, "skipped", f"nothing to check it with: {fix}")
