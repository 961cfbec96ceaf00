"""Claims: what an address may claim now, with the proofs that Settlement requires."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attribution.batch import ChainTip
from attribution.state_tree import earned_key
from contracts.crypto import Address, Bytes32, to_address
from contracts.eip712 import parse_bytes32
from node.chain.client import Call, ChainClient
from node.chain.contracts import PayeeClaim, SettlementContract, ShareClaim
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress
from node.settlement.earnings import paid_to
from node.settlement.entitlements import Entitlement, Entitlements

CLAIMS_PER_CALL = 32


class MalformedClaims(ValueError):
    """A claims document lacks a member, or a member is malformed."""


@dataclass(frozen=True, slots=True)
class ClaimEntry:
    """One claim and the base units that it pays if nothing else is paid before it."""

    claim: PayeeClaim | ShareClaim
    amount: int


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """Everything that an address may claim from one node under the newest active epoch."""

    address: Address
    entries: tuple[ClaimEntry, ...]

    @property
    def amount(self) -> int:
        """What all claims pay together, in base units."""
        return sum(entry.amount for entry in self.entries)

    def calls(self, client: ChainClient, settlement: Address) -> list[Call]:
        """The calls to send, at most 32 claims each. Never take `settlement` from the node's answer."""
        contract = SettlementContract(client, settlement)
        own = [entry.claim for entry in self.entries if isinstance(entry.claim, PayeeClaim)]
        shares = [entry.claim for entry in self.entries if isinstance(entry.claim, ShareClaim)]
        made = [contract.claim(own[at : at + CLAIMS_PER_CALL]) for at in range(0, len(own), CLAIMS_PER_CALL)]
        return made + [
            contract.claim_share(shares[at : at + CLAIMS_PER_CALL]) for at in range(0, len(shares), CLAIMS_PER_CALL)
        ]

    def to_json(self) -> dict[str, object]:
        """As a JSON object; amounts as decimal strings."""
        return {
            "address": self.address,
            "amount": str(self.amount),
            "claims": [_entry_json(entry) for entry in self.entries],
        }

    @classmethod
    def from_json(cls, document: object) -> "ClaimPlan":
        """Parses what `to_json` wrote. Raises MalformedClaims."""
        try:
            if not isinstance(document, Mapping):
                raise MalformedClaims("claims must be a JSON object")
            address = to_address(document["address"])
            return cls(address, tuple(_entry(claim, address) for claim in document["claims"]))
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedClaims(f"{type(error).__name__}: {error}") from error


def claims_of(entitlements: Entitlements, book: Book, progress: ChainProgress) -> ClaimPlan:
    """The claims of all entitlements that earned more under the newest active epoch than was paid."""
    return claims_under(entitlements, book.tip_at(progress.active_epoch), progress)


def claims_under(entitlements: Entitlements, tip: ChainTip, progress: ChainProgress) -> ClaimPlan:
    """The claims under one active epoch, from whatever copy of the ledger `tip` was rebuilt."""
    entries = []
    for entitlement in entitlements.entries:
        earned = tip.state.tree.get(earned_key(entitlement.payee))
        amount = entitlement.part(earned) - paid_to(entitlement, entitlements.address, progress)
        if amount > 0:
            entries.append(ClaimEntry(_claim(entitlement, entitlements.address, tip), amount))
    return ClaimPlan(entitlements.address, tuple(entries))


def _claim(entitlement: Entitlement, address: Address, tip: ChainTip) -> PayeeClaim | ShareClaim:
    node, tree, key = tip.state.ledger.node, tip.state.tree, earned_key(entitlement.payee)
    earned, proof = tree.get(key), tree.prove(key)
    payee, contributors = entitlement.payee, entitlement.contributors
    if entitlement.datanet_id is None or entitlement.version is None or contributors is None:
        return PayeeClaim(node, tip.epoch, tip.header_hash, payee.kind, payee.id, earned, proof)
    weight = contributors.prove(address)
    return ShareClaim(
        node=node,
        epoch=tip.epoch,
        header_hash=tip.header_hash,
        datanet_id=entitlement.datanet_id,
        version=entitlement.version,
        cumulative=earned,
        proof=proof,
        contributor=address,
        weight=entitlement.weight,
        index=weight.index,
        weight_proof=weight.path,
    )


def _entry_json(entry: ClaimEntry) -> dict[str, object]:
    claim = entry.claim
    document: dict[str, object] = {
        "kind": "payee" if isinstance(claim, PayeeClaim) else "share",
        "node": claim.node,
        "epoch": str(claim.epoch),
        "headerHash": "0x" + claim.header_hash.hex(),
        "cumulative": str(claim.cumulative),
        "proof": "0x" + claim.proof.hex(),
        "amount": str(entry.amount),
    }
    if isinstance(claim, PayeeClaim):
        return document | {"payeeKind": claim.payee_kind, "id": "0x" + claim.id.hex()}
    return document | {
        "datanetId": "0x" + claim.datanet_id.hex(),
        "version": claim.version,
        "weight": str(claim.weight),
        "index": claim.index,
        "weightProof": ["0x" + sibling.hex() for sibling in claim.weight_proof],
    }


def _entry(document: Mapping[str, Any], address: Address) -> ClaimEntry:
    node, epoch = to_address(document["node"]), _number(document["epoch"])
    cumulative, proof = _number(document["cumulative"]), _bytes(document["proof"])
    header_hash, amount = parse_bytes32(document["headerHash"]), _number(document["amount"])
    if document["kind"] == "payee":
        payee_id: Bytes32 = parse_bytes32(document["id"])
        kind = _number(document["payeeKind"])
        return ClaimEntry(PayeeClaim(node, epoch, header_hash, kind, payee_id, cumulative, proof), amount)
    claim = ShareClaim(
        node=node,
        epoch=epoch,
        header_hash=header_hash,
        datanet_id=parse_bytes32(document["datanetId"]),
        version=_number(document["version"]),
        cumulative=cumulative,
        proof=proof,
        contributor=address,
        weight=_number(document["weight"]),
        index=_number(document["index"]),
        weight_proof=tuple(parse_bytes32(sibling) for sibling in document["weightProof"]),
    )
    return ClaimEntry(claim, amount)


def _number(value: object) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,77}", str(value)):
        raise MalformedClaims(f"expected a decimal number, got {str(value)[:80]!r}")
    return int(str(value))


def _bytes(text: str) -> bytes:
    if not re.fullmatch(r"0x([0-9a-fA-F]{2})*", text):
        raise MalformedClaims(f"expected hex bytes, got {text[:80]!r}")
    return bytes.fromhex(text[2:])
