"""Write the protocol's test vectors into contracts/vectors: one JSON file per section of docs/protocol.md.

`python -m scripts.vectors` writes them, `--check` exits 1 if a committed file differs.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from attribution import merkle
from attribution.batch import ChainTip, Item, build, receipt_leaves
from attribution.datanets import Contributors, share
from attribution.receipts_file import ReceiptsFile
from attribution.split import TREASURY, Payee, lines
from attribution.state_tree import StateTree, charged_key, earned_key, state_root
from attribution.transition import LedgerState
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, keccak
from contracts.eip712 import Domain, Struct, encode_type, layout, type_hash
from contracts.encoding import adapter_key, commitment, datanet_payee, request_hash, tagged_hash, to_hex
from contracts.fees import usage_fee
from contracts.structs import BatchHeader, DatanetLink, InferenceRequest, PayoutChange, PriceList, Terms, UsageReceipt
from contracts.x402 import ChannelConfig, Refund, Voucher, deposit_nonce, x402_domain
from scripts.vector_ledger import CHAIN_ID, LEDGER, OPERATORS, PRICES, TERMS, receipts_of_two_batches, signatures_of

FOLDER = Path(__file__).parent.parent / "contracts" / "vectors"
_STRUCTS: tuple[type[Struct], ...] = (
    InferenceRequest,
    UsageReceipt,
    PriceList,
    DatanetLink,
    Terms,
    BatchHeader,
    PayoutChange,
    ChannelConfig,
    Voucher,
    Refund,
    Domain,
)
_X402 = (ChannelConfig, Voucher, Refund)


def _word(text: str) -> Bytes32:
    return keccak(text.encode())


def _address(text: str) -> Address:
    return PrivateKey(_word(text)).address


def _example(kind: type[Struct]) -> Struct:
    """An instance with a different value in every field, and the largest value of its type in every second number."""
    values: dict[str, Any] = {}
    for at, field in enumerate(layout(kind)):
        if field.kind == "address":
            values[field.name] = _address(field.name)
        elif field.kind == "bytes32":
            values[field.name] = _word(field.name)
        elif field.kind == "string":
            values[field.name] = field.name
        elif field.kind.endswith("[]"):
            values[field.name] = (DatanetLink(_word("a"), 1, 400_000), DatanetLink(_word("b"), 2, 600_000))
        else:
            values[field.name] = (1 << field.bits) - 1 if at % 2 else at + 1
    assert set(values) == {field.name for field in fields(kind)}  # type: ignore[arg-type]  # structs are dataclasses
    return kind(**values)


def structs() -> dict[str, Any]:
    """Type strings, type hashes, struct hashes and digests of every signed struct."""
    rows = []
    for kind in _STRUCTS:
        value = _example(kind)
        domain = x402_domain(CHAIN_ID) if kind in _X402 else LEDGER.domain
        row = {"name": kind.__name__, "encodeType": encode_type(kind), "typeHash": to_hex(type_hash(kind))}
        row |= {"value": value.to_json(), "structHash": to_hex(value.struct_hash())}
        rows.append(
            row if kind is Domain else row | {"domain": domain.to_json(), "digest": to_hex(value.digest(domain))}
        )
    return {"structs": rows}


def encodings() -> dict[str, Any]:
    """Hashes that are not EIP-712 structs."""
    body, salt = b'{"model":"cardiology"}', _word("salt")
    key = adapter_key(_word("adapter"), 3, _word("weights"), _word("base"))
    return {
        "taggedHash": {"tag": 2, "words": [to_hex(_word("x"))] * 3, "hash": to_hex(tagged_hash(2, *[_word("x")] * 3))},
        "adapterKey": {
            "id": to_hex(_word("adapter")),
            "version": "3",
            "adapterDigest": to_hex(_word("weights")),
            "baseDigest": to_hex(_word("base")),
            "adapterKey": to_hex(key),
        },
        "requestHash": {
            "method": "POST",
            "pathWithQuery": "/v1/chat/completions?x=1",
            "body": to_hex(body),
            "requestHash": to_hex(request_hash("POST", "/v1/chat/completions?x=1", body)),
        },
        "datanetPayee": {
            "datanetId": to_hex(_word("datanet")),
            "version": "7",
            "id": to_hex(datanet_payee(_word("datanet"), 7)),
        },
        "commitment": {"salt": to_hex(salt), "content": to_hex(body), "commitment": to_hex(commitment(salt, body))},
        "depositNonce": {
            "channelId": to_hex(_word("channel")),
            "salt": "5",
            "nonce": to_hex(deposit_nonce(_word("channel"), 5)),
        },
    }


def state_tree() -> dict[str, Any]:
    """Keys of payees and channels; roots and inclusion proofs of trees that grow by one leaf."""
    payees = [Payee.of_address(_address("owner")), Payee.of_datanet(_word("datanet"), 7), TREASURY]
    keys: list[dict[str, str]] = [
        {"kind": "EARNED", "payeeKind": str(int(payee.kind)), "id": to_hex(payee.id), "key": _key(earned_key(payee))}
        for payee in payees
    ]
    channel = {"kind": "CHARGED", "payeeKind": "0", "id": to_hex(_word("channel"))}
    keys.append(channel | {"key": _key(charged_key(_word("channel")))})
    leaves = {earned_key(payee): 10 + at for at, payee in enumerate(payees)} | {charged_key(_word("channel")): 33}
    leaves |= {0: 1, 1: 2, (1 << 256) - 1: (1 << 128) - 1, 1 << 255: 4}  # neighbours that share 255 bits, and the ends
    trees, tree = [], StateTree()
    for key, value in leaves.items():
        tree = tree.update({key: value})
        proofs = {_key(one): to_hex(tree.prove(one)) for one, _ in tree.items()}
        held = {_key(one): str(amount) for one, amount in tree.items()}
        trees.append({"leaves": held, "root": to_hex(tree.root), "proofs": proofs})
    total = {"treeRoot": to_hex(tree.root), "cumTotal": "33", "stateRoot": to_hex(state_root(tree.root, 33))}
    empty = {"treeRoot": to_hex(ZERO_BYTES32), "cumTotal": "0", "stateRoot": to_hex(state_root(ZERO_BYTES32, 0))}
    return {"keys": keys, "trees": trees, "stateRoots": [empty, total]}


def _key(key: int) -> str:
    return to_hex(key.to_bytes(32))


def list_trees() -> dict[str, Any]:
    """The tree of receipts and of contributors, for every number of leaves up to 9."""
    trees = []
    for count in range(1, 10):
        leaves = [_word(f"leaf {at}") for at in range(count)]
        paths = [[to_hex(one) for one in merkle.path_of(leaves, at)] for at in range(count)]
        trees.append(
            {"leaves": [to_hex(one) for one in leaves], "root": to_hex(merkle.root_of(leaves)), "paths": paths}
        )
    members = Contributors.of((_address(f"contributor {at}"), 10**at + 1) for at in range(5))
    proofs = [members.prove(member.address) for member in members.members]
    rows = [
        {
            "address": proof.contributor.address,
            "weight": str(proof.contributor.weight),
            "leaf": to_hex(proof.contributor.leaf),
            "index": str(proof.index),
            "path": [to_hex(one) for one in proof.path],
            "shareOf1000007": str(share(1_000_007, proof.contributor.weight, members.total_weight)),
        }
        for proof in proofs
    ]
    contributors = {"members": rows, "root": to_hex(members.root), "totalWeight": str(members.total_weight)}
    return {"trees": trees, "contributors": contributors}


def fees() -> dict[str, Any]:
    """Fees and splits: each line of each fee."""
    cases = []
    for tokens in ((0, 0, 1), (1, 0, 0), (120, 0, 80), (5_000, 4_096, 999), ((1 << 32) - 1,) * 3):
        for terms in (None, *TERMS):
            fee = usage_fee(PRICES, *tokens)
            split = sorted(lines(fee, PRICES, terms).items())
            cases.append(
                {
                    "tokensIn": str(tokens[0]),
                    "tokensCached": str(tokens[1]),
                    "tokensOut": str(tokens[2]),
                    "terms": terms.to_json() if terms else None,
                    "fee": str(fee),
                    "lines": [
                        {"payeeKind": str(int(payee.kind)), "id": to_hex(payee.id), "amount": str(amount)}
                        for payee, amount in split
                    ],
                }
            )
    return {"priceList": PRICES.to_json(), "cases": cases}


def ledger() -> dict[str, Any]:
    """Two batches of one ledger: the public files, and everything that they must rebuild to."""
    tip, batches = ChainTip.genesis(LedgerState.genesis(LEDGER)), []
    for items in receipts_of_two_batches():
        batch = build(tip, items)
        file = ReceiptsFile.of(batch, items, signatures_of(items), OPERATORS)
        leaves = receipt_leaves(tip.state.root, batch.receipts, batch.roots)
        batches.append(
            {
                "file": file.encode().decode(),
                "headerHash": to_hex(batch.header.struct_hash()),
                "receiptIds": [to_hex(_id(item)) for item in items],
                "receiptLeaves": [to_hex(leaf) for leaf in leaves],
                "leaves": {_key(key): str(value) for key, value in batch.state.tree.items()},
            }
        )
        tip = batch.tip
    return {"token": LEDGER.token, "batches": batches}


def _id(item: Item) -> Bytes32:
    return item.receipt.struct_hash()


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "structs": structs,
    "encodings": encodings,
    "state_tree": state_tree,
    "list_trees": list_trees,
    "fees": fees,
    "ledger": ledger,
}


def rendered(name: str) -> str:
    """The content of one file."""
    return json.dumps(FILES[name](), indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the files, or compares them. Returns the exit status."""
    differing = []
    for name in FILES:
        path, content = FOLDER / f"{name}.json", rendered(name)
        if "--check" not in arguments:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(content)
        elif not path.exists() or path.read_text() != content:
            differing.append(path.name)
    if differing:
        print(f"contracts/vectors: {', '.join(differing)} differ; run: python -m scripts.vectors")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
