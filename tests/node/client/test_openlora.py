"""The public surface: complete, documented, and light enough for a dApp."""

import inspect
import subprocess
import sys
from pathlib import Path

import httpx2

from contracts.crypto import PrivateKey, keccak
from node.client import errors, openlora
from tests.node.client.answers import OPEN, OUTPUT
from tests.node.client.node_side import URL, NodeSide


def test_every_public_name_is_documented() -> None:
    undocumented = [name for name in openlora.__all__ if name != "Flow" and not inspect.getdoc(getattr(openlora, name))]

    assert undocumented == []
    assert openlora.__all__ == sorted(openlora.__all__)


def test_every_error_of_the_client_is_public() -> None:
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert classes <= set(openlora.__all__)


def test_the_package_itself_exports_nothing() -> None:
    code = "import node.client; print([name for name in vars(node.client) if not name.startswith('__')])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_importing_it_loads_neither_torch_nor_the_node() -> None:
    code = (
        "import sys, node.client.openlora\n"
        "ours = {name.split('.')[0] + '.' + name.split('.')[1] for name in sys.modules if name.startswith('node.')}\n"
        "heavy = {'torch', 'fastapi', 'sqlalchemy', 'web3', 'eth_account', 'serving', 'attribution', 'local_chain'}\n"
        "print(sorted(ours), sorted(heavy & set(sys.modules)))"
    )

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "['node.client'] []"


def test_the_surface_is_enough_to_fund_a_channel_and_to_pay(tmp_path: Path) -> None:
    node, key = NodeSide(), openlora.PrivateKey(keccak(b"payer"))
    body = {"model": "dermatology", "prompt": "hello", "max_tokens": 16}

    with httpx2.Client(transport=node) as client:
        card = openlora.run(client, openlora.fetch_card(URL))
        file = openlora.AccountFile(tmp_path, card.chain_id, key.address, card.vault)
        report = openlora.run(client, openlora.Channel(URL, card, key, file, lambda: 1_000).deposit(OPEN))
    wallet = openlora.WalletAuth(key, tmp_path)
    with httpx2.Client(transport=node, auth=wallet, base_url=URL) as client:
        answer = client.post("/v1/completions", json=body)

    assert report.balance == OPEN
    assert answer.json()["choices"][0]["text"] == "".join(OUTPUT)
    assert wallet.receipts[-1].receipt.fee == node.line().charged


def test_a_private_key_is_a_signer() -> None:
    signer: openlora.Signer = PrivateKey(keccak(b"payer"))

    assert len(signer.sign(keccak(b"digest"))) == 65
