"""Signed transactions for tests that run a chain without HTTP."""

from eth_account import Account

from local_chain.genesis import CHAIN_ID
from tests.local_chain.engines import OWNER, PAYER


def payment(nonce: int, **changes: object) -> bytes:
    """A raw transaction that pays 1 wei from the payer to the owner, with any field changed; None removes a field."""
    fields = {
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": OWNER.address,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 3 * 10**9,
        "maxPriorityFeePerGas": 1,
    } | changes
    present = {name: value for name, value in fields.items() if value is not None}
    return bytes(Account.sign_transaction(present, PAYER.secret).raw_transaction)
