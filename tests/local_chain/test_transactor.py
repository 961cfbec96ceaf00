"""Transactions of development accounts: what they return, and the errors with which they fail."""

import pytest
from web3.exceptions import ContractLogicError

from contracts.artifacts import load
from contracts.crypto import keccak
from contracts.x402 import ESCROW
from local_chain.errors import ChainUnreachable, TransactionFailed, WrongChain
from local_chain.transactor import Transactor, connect, contract, error_name
from tests.local_chain.answering import answering
from tests.local_chain.engines import DEPLOYER, OWNER, PAYER


def test_each_transaction_uses_the_next_nonce(rpc_url: str) -> None:
    payer = Transactor(connect(rpc_url), PAYER)

    receipts = [payer.pay(OWNER.address, 1) for _ in range(3)]

    assert [receipt["status"] for receipt in receipts] == [1, 1, 1]
    assert payer.nonce() == 3
    assert payer.address == PAYER.address


def test_a_deployed_contract_can_be_called(rpc_url: str) -> None:
    deployer = Transactor(connect(rpc_url), DEPLOYER)

    address = deployer.deploy("OpenToken", [DEPLOYER.address, 100])

    token = contract(deployer.web3, "OpenToken", address)
    deployer.call(token, "transfer", OWNER.address, 40)
    assert token.functions.balanceOf(OWNER.address).call() == 40


def test_a_refused_transaction_tells_the_contracts_error_with_its_values(rpc_url: str) -> None:
    payer = Transactor(connect(rpc_url), PAYER)
    token = contract(payer.web3, "OpenToken", payer.deploy("OpenToken", [PAYER.address, 1]))

    with pytest.raises(TransactionFailed, match=rf"ERC20InsufficientBalance\({PAYER.address.lower()}, 1, {10**40}\)"):
        payer.call(token, "transfer", ESCROW, 10**40)


def test_a_transaction_that_the_sender_cannot_pay_fails(rpc_url: str) -> None:
    with pytest.raises(TransactionFailed, match="paying"):
        Transactor(connect(rpc_url), PAYER).pay(OWNER.address, 10**30)


def test_a_chain_of_another_id_is_refused() -> None:
    with (
        answering(b'{"jsonrpc": "2.0", "id": 0, "result": "0x1"}') as url,
        pytest.raises(WrongChain, match="chain id 1;"),
    ):
        connect(url)


def test_a_url_without_a_chain_is_refused() -> None:
    with pytest.raises(ChainUnreachable, match=r"http://127\.0\.0\.1:9"):
        connect("http://127.0.0.1:9")


def test_revert_data_of_an_unknown_error_leaves_the_clients_message() -> None:
    unknown = ContractLogicError("execution reverted", data="0x" + keccak(b"Unknown()")[:4].hex())

    assert error_name(unknown, load("OpenToken").abi) == "execution reverted"
    assert error_name(ContractLogicError("out of gas"), load("OpenToken").abi) == "out of gas"


def test_bytes_in_an_error_are_shown_as_hex() -> None:
    data = keccak(b"DatanetAlreadyExists(bytes32)")[:4] + bytes(31) + b"\x07"
    error = ContractLogicError("execution reverted", data="0x" + data.hex())

    assert error_name(error, load("AssetRegistry").abi) == f"DatanetAlreadyExists(0x{'00' * 31}07)"
