"""Changes of honest receipts and evidence: any field, signature or preimage, re-signed by its payer or not."""

import random
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

from attribution.batch import Item
from attribution.transition import Evidence, Registered
from contracts.crypto import ZERO_ADDRESS, ZERO_BYTES32, Address, Bytes32, PrivateKey, to_address
from contracts.eip712 import Field, Struct, layout
from tests.contracts.court import PAYERS, Court

S = TypeVar("S", bound=Struct)
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def mutated(court: Court, item: Item, other: Item) -> Item:
    """`item` with one change; `other` is an honest item whose parts may replace its own."""
    change: Callable[[Court, Item, Item], Item] = court.draw.choice(_CHANGES)
    return change(court, item, other)


def changed_field(draw: random.Random, value: S, other: S) -> S:
    """`value` with one field changed, now and then to that of `other`."""
    chosen = draw.choice([member for member in layout(type(value)) if not member.kind.endswith("[]")])
    old, theirs = getattr(value, chosen.name), getattr(other, chosen.name)
    new = theirs if theirs != old and draw.random() < 0.3 else _other_value(draw, chosen, old)
    return replace(value, **{chosen.name: new})  # type: ignore[type-var]  # structs are dataclasses


def _other_value(draw: random.Random, member: Field, old: Any) -> Any:
    if member.kind == "address":
        return draw.choice([ZERO_ADDRESS, _address(draw), PAYERS[0].address])
    if member.kind == "bytes32":
        flipped = int.from_bytes(old) ^ 1 << draw.randrange(256)
        return draw.choice([ZERO_BYTES32, Bytes32(flipped.to_bytes(32)), Bytes32(draw.randbytes(32))])
    limit = (1 << member.bits) - 1
    values = {
        0,
        1,
        2,
        limit,
        old + 1,
        old - 1,
        2 * old,
        draw.randrange(limit + 1),
        old ^ 1 << draw.randrange(member.bits),
    }
    return draw.choice(sorted(value for value in values - {old} if 0 <= value <= limit))


def _address(draw: random.Random) -> Address:
    return to_address("0x" + draw.randbytes(20).hex())


def changed_signature(draw: random.Random, signature: bytes) -> bytes:
    """Another signature: flipped bits, cut, extended, with a high s, or with r or s out of range."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64]), signature[64:]
    flipped = bytearray(signature)
    flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
    other_v = bytes([55 - v[0]])
    return draw.choice(
        [
            bytes(flipped),
            b"",
            signature[:-1],
            signature + b"\0",
            r + (_ORDER - s).to_bytes(32) + other_v,  # the same point with the high s
            bytes(32) + signature[32:],
            _ORDER.to_bytes(32) + signature[32:],
            r + bytes(32) + v,
            r + bytes([27]) + bytes(31) + v,
            signature[:64] + draw.choice([b"\0", b"\1", b"\x1d", other_v]),
        ]
    )


def _receipt_field(court: Court, item: Item, other: Item) -> Item:
    return replace(item, receipt=changed_field(court.draw, item.receipt, other.receipt))


def _receipt_re_signed(court: Court, item: Item, other: Item) -> Item:
    """A cheat with its payer's consent: the signatures fit the changed receipt."""
    receipt = changed_field(court.draw, item.receipt, other.receipt)
    evidence = item.evidence
    payer = next((key for key in PAYERS if key.address == evidence.config.payer_authorizer), PAYERS[0])
    agreed = evidence.terms.value if evidence.terms else None
    with_request = evidence.request is not None
    try:
        return court.signed(payer, receipt, evidence.price_list.value, agreed, with_request=with_request)
    except ValueError:  # a request cannot hold a deadline or fee beyond its width
        return replace(item, receipt=receipt)


def _config(court: Court, item: Item, other: Item) -> Item:
    evidence, draw = item.evidence, court.draw
    config = changed_field(draw, evidence.config, other.evidence.config)
    item = replace(item, evidence=replace(evidence, config=config))
    if draw.random() < 0.5:  # the receipt names the changed channel
        channel_id = config.channel_id(court.ledger.domain.chain_id)
        item = replace(item, receipt=replace(item.receipt, channel_id=channel_id, cum_before=0))
    return item


def _voucher_signature(court: Court, item: Item, other: Item) -> Item:
    changed = changed_signature(court.draw, item.evidence.voucher_signature)
    signature = court.draw.choice([changed, changed, other.evidence.voucher_signature])
    return replace(item, evidence=replace(item.evidence, voucher_signature=signature))


def _prices(court: Court, item: Item, other: Item) -> Item:
    value = changed_field(court.draw, item.evidence.price_list.value, other.evidence.price_list.value)
    return _with_evidence(court, item, price_list=Registered(value, 0), price_hash=value.struct_hash())


def _other_prices(court: Court, item: Item, other: Item) -> Item:
    history = court.draw.choice(list(court.market.prices.values()))
    _, value = court.draw.choice(history.windows)
    return _with_evidence(court, item, price_list=Registered(value, 0), price_hash=value.struct_hash())


def _terms(court: Court, item: Item, other: Item) -> Item:
    if item.evidence.terms is None:
        return _other_terms(court, item, other)
    value = item.evidence.terms.value
    another = other.evidence.terms.value if other.evidence.terms else value
    value = changed_field(court.draw, value, another)
    return _with_evidence(court, item, terms=Registered(value, 0), terms_hash=value.struct_hash())


def _other_terms(court: Court, item: Item, other: Item) -> Item:
    history = court.draw.choice(list(court.market.terms.values()))
    _, value = court.draw.choice(history.windows)
    if court.draw.random() < 0.4:
        return _with_evidence(court, item, terms=None, terms_hash=ZERO_BYTES32)
    return _with_evidence(court, item, terms=Registered(value, 0), terms_hash=value.struct_hash())


def _with_evidence(court: Court, item: Item, **changes: Any) -> Item:
    """Replaces a preimage in the evidence and, half of the time, its hash in the receipt."""
    of_receipt = {name: value for name, value in changes.items() if name.endswith("_hash")}
    of_evidence = {name: value for name, value in changes.items() if name not in of_receipt}
    item = replace(item, evidence=replace(item.evidence, **of_evidence))
    return replace(item, receipt=replace(item.receipt, **of_receipt)) if court.draw.random() < 0.5 else item


def _request(court: Court, item: Item, other: Item) -> Item:
    evidence, draw = item.evidence, court.draw
    if evidence.request is None:
        return replace(item, evidence=replace(evidence, request=other.evidence.request, request_signature=b"\1" * 65))
    if draw.random() < 0.2:
        return replace(item, evidence=replace(evidence, request=None, request_signature=None))
    request = changed_field(draw, evidence.request, other.evidence.request or evidence.request)
    evidence, receipt = replace(evidence, request=request), item.receipt
    if draw.random() < 0.7:  # the receipt names the changed request, which a payer signed
        digest = request.digest(court.domain)
        payer = next((key for key in PAYERS if key.address == evidence.config.payer_authorizer), PAYERS[0])
        signer: PrivateKey = draw.choice([payer, payer, *PAYERS])
        receipt = replace(receipt, request_digest=digest)
        evidence = replace(evidence, request_signature=signer.sign(digest))
    return Item(receipt, evidence)


def _request_signature(court: Court, item: Item, other: Item) -> Item:
    if item.evidence.request_signature is None:
        return _request(court, item, other)
    signature = changed_signature(court.draw, item.evidence.request_signature)
    return replace(item, evidence=replace(item.evidence, request_signature=signature))


def _everything_of_another(court: Court, item: Item, other: Item) -> Item:
    return Item(item.receipt, other.evidence)


def _one_part_of_another(court: Court, item: Item, other: Item) -> Item:
    name = court.draw.choice([member.name for member in fields(Evidence)])
    return replace(item, evidence=replace(item.evidence, **{name: getattr(other.evidence, name)}))


_CHANGES: tuple[Callable[[Court, Item, Item], Item], ...] = (
    _receipt_field,
    _receipt_field,
    _receipt_re_signed,
    _receipt_re_signed,
    _config,
    _voucher_signature,
    _prices,
    _other_prices,
    _terms,
    _other_terms,
    _request,
    _request_signature,
    _everything_of_another,
    _one_part_of_another,
)
