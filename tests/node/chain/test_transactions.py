"""Signed transactions, against eth-account."""

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.crypto import Bytes32, PrivateKey, keccak, to_address
from node.chain.transactions import Transaction, sign_transaction

KEY = PrivateKey(keccak(b"sender"))
TO = to_address("0x" + "ab" * 20)


@settings(max_examples=50)
@given(
    st.integers(1, 2**40),
    st.integers(0, 2**40),
    st.binary(max_size=200),
    st.integers(21_000, 10**7),
    st.integers(0, 2**50),
    st.integers(0, 2**40),
    st.integers(0, 2**70),
)
def test_the_bytes_are_those_eth_account_makes(
    chain_id: int, nonce: int, data: bytes, gas: int, max_fee: int, tip: int, value: int
) -> None:
    transaction = Transaction(chain_id, nonce, TO, data, gas, max_fee, tip, value)

    signed = sign_transaction(transaction, KEY)

    oracle = Account.sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "to": TO,
            "value": value,
            "data": data,
            "gas": gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": tip,
        },
        KEY.secret,
    )
    assert signed.raw == bytes(oracle.raw_transaction)
    assert signed.hash == Bytes32(bytes(oracle.hash))
    assert Account.recover_transaction(signed.raw) == KEY.address
    assert TypedTransaction.from_bytes(oracle.raw_transaction).transaction_type == 2
