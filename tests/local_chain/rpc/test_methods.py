"""The table of JSON-RPC methods: what a wallet asks for first, and what is not answered."""

import pytest

from contracts.crypto import keccak
from local_chain.accounts import dev_accounts
from local_chain.genesis import CHAIN_ID
from local_chain.pyevm.chain import PyevmChain
from local_chain.rpc.errors import METHOD_NOT_FOUND, InvalidParams, RpcError
from local_chain.rpc.methods import Methods


@pytest.fixture
def methods(pyevm: PyevmChain) -> Methods:
    return Methods(pyevm)


def test_the_chain_identifies_itself(methods: Methods) -> None:
    assert methods.call("eth_chainId", []) == hex(CHAIN_ID)
    assert methods.call("net_version", []) == str(CHAIN_ID)
    assert methods.call("net_listening", []) is True
    assert methods.call("eth_syncing", []) is False
    assert str(methods.call("web3_clientVersion", [])).startswith("openlora-local-chain/py-evm-")


def test_the_development_accounts_are_listed(methods: Methods) -> None:
    assert methods.call("eth_accounts", []) == [key.address for key in dev_accounts()]


@pytest.mark.parametrize("data", [b"", b"\x00", b"Transfer(address,address,uint256)"])
def test_keccak_is_computed_over_bytes(methods: Methods, data: bytes) -> None:
    assert methods.call("web3_sha3", ["0x" + data.hex()]) == "0x" + keccak(data).hex()


def test_keccak_of_anything_else_is_refused(methods: Methods) -> None:
    with pytest.raises(InvalidParams, match="data"):
        methods.call("web3_sha3", ["Transfer"])


def test_a_mined_block_is_counted(methods: Methods) -> None:
    assert methods.call("eth_blockNumber", []) == "0x0"

    methods.call("evm_mine", [])

    assert methods.call("eth_blockNumber", []) == "0x1"


@pytest.mark.parametrize("method", ["", "eth_sign", "eth_sendTransaction", "anvil_setCode", "m" * 500])
def test_an_unknown_method_is_refused_by_its_name(methods: Methods, method: str) -> None:
    with pytest.raises(RpcError, match=f"the method {method[:100]} does not exist") as refusal:
        methods.call(method, [])

    assert refusal.value.code == METHOD_NOT_FOUND
    assert len(str(refusal.value)) < 200
