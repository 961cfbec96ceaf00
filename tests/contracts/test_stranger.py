"""A verifier written from docs/protocol.md alone agrees with this project on committed, random and forged files."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attribution.batch import build
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.replay import Replay, ledger_of
from contracts.eip712 import encode_type
from contracts.structs import BatchHeader, InferenceRequest, PriceList, Terms, UsageReceipt
from contracts.x402 import ChannelConfig, Voucher
from tests.attribution.ledgers import TOKEN, HonestNode, published
from tests.contracts import stranger
from tests.contracts.stranger import Ledger, Refused

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "contracts/vectors/ledger.json").read_text())


def test_it_imports_nothing_of_this_project() -> None:
    tree = ast.parse(Path(stranger.__file__).read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported == {"json", "typing", "coincurve", "sha3"}


def test_it_rebuilds_every_root_and_balance_of_the_committed_ledger() -> None:
    ledger = Ledger(VECTORS["token"])

    for batch in VECTORS["batches"]:
        ledger.add(batch["file"].encode())

        assert "0x" + ledger.header_hash.hex() == batch["headerHash"]
        assert {f"0x{key:064x}": str(value) for key, value in ledger.values.items()} == batch["leaves"]


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_this_project_on_random_ledgers(seed: int) -> None:
    node, ledger = HonestNode(), Ledger(TOKEN)
    tip = node.genesis
    for part in range(3):
        items = node.serve_many(1 + seed + part, seed=10 * seed + part)
        file = published(tip, items)
        tip = build(tip, items).tip

        ledger.add(file.encode())

        assert ledger.root == tip.state.root
        assert ledger.header_hash == tip.header_hash


def receipt(file: dict[str, Any], **changes: str) -> None:
    file["receipts"][0]["receipt"] |= changes


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "an extra unit": lambda file: receipt(file, fee=str(int(file["receipts"][0]["receipt"]["fee"]) + 1)),
    "another number": lambda file: receipt(file, seq="2"),
    "no terms": lambda file: (
        receipt(file, termsHash="0x" + "00" * 32),
        file["withoutTerms"].append({"adapterKey": file["receipts"][0]["receipt"]["adapterKey"], "until": "1"}),
    ),
    "a closed price list": lambda file: file["priceLists"][0].update(until="1750000001"),
    "another operator": lambda file: file["operators"][0].update(operator="0x" + "11" * 20),
    "a foreign header": lambda file: file["header"].update(prevHeaderHash="0x" + "11" * 32),
    "a smaller total": lambda file: file["header"].update(cumTotal="1"),
    "another root": lambda file: file["receipts"][1].update(stateRoot="0x" + "11" * 32),
    "a foreign voucher": lambda file: file["vouchers"][0].update(signature="0x" + "11" * 65),
    "an early end": lambda file: file["header"].update(closedAt="1750000000"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_it_refuses_this_project_refuses_too(edit: str) -> None:
    document = json.loads(VECTORS["batches"][0]["file"])
    EDITS[edit](document)
    forged = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    with pytest.raises((Refused, KeyError, ValueError)):
        Ledger(VECTORS["token"]).add(forged)

    assert refused_here(forged)


def refused_here(content: bytes) -> bool:
    try:
        file = ReceiptsFile.decode(content)
    except InvalidReceiptsFile:
        return True
    return bool(Replay(ledger_of(file)).add(file))


@pytest.mark.parametrize(
    "kind", [UsageReceipt, InferenceRequest, BatchHeader, PriceList, Terms, ChannelConfig, Voucher]
)
def test_the_page_has_every_type_string(kind: Any) -> None:
    assert f"\n{encode_type(kind)}\n" in (ROOT / "docs/protocol.md").read_text()
    assert encode_type(kind) in stranger.TYPES.values()
