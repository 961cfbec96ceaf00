"""A TypeScript client gets from both engines what it gets from any Ethereum node."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import contracts
from contracts.artifacts import load
from contracts.x402 import MULTICALL3
from local_chain.deploy import OPEN_SUPPLY
from local_chain.genesis import CHAIN_ID
from tests.local_chain.engines import OPERATOR, PAYER, Chain

CONTRACTS = Path(contracts.__file__).parent
SCRIPT = Path(__file__).parent / "viem_conformance.mjs"


def require_viem() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node.js 20 or newer is missing: install the package nodejs")
    if not (CONTRACTS / "node_modules" / "viem").is_dir():
        pytest.fail("viem is missing: run `npm ci` in contracts/")
    return node


def test_viem_reads_writes_signs_and_decodes_errors(chain: Chain) -> None:
    node = require_viem()
    given = {
        "payerKey": "0x" + PAYER.secret.hex(),
        "to": OPERATOR.address,
        "token": chain.deployment.open_token,
        "multicall": MULTICALL3,
        "abi": load("OpenToken").abi,
    }

    run = subprocess.run(
        [node, str(SCRIPT), str(CONTRACTS), chain.rpc_url, json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert "chain id" in found.pop("foreign")
    assert found == {
        "chainId": CHAIN_ID,
        "blockIsWhole": True,
        "balanceIsPositive": True,
        "fees": True,
        "feeHistory": 3,
        "name": chain.token().functions.name().call(),
        "supply": str(OPEN_SUPPLY),
        "status": "success",
        "type": "eip1559",
        "sender": True,
        "logs": [[OPERATOR.address, "21", True]],
        "blockReceipts": 1,
        "revert": ["ERC20InsufficientBalance", str(10**40)],
        "estimateRevert": ["ERC20InsufficientBalance", str(10**40)],
        "permit": "success",
        "allowance": "5",
        "unknownMethod": -32601,
        "grew": True,
    }
