"""Transactions of the operator's key that this node did not send."""

from contracts.crypto import PrivateKey, keccak
from node.chain.client import Call
from node.chain.memory import MemoryChain
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.key_use import KeyUse
from node.settlement.outbox import Outbox
from node.store.database import Database
from tests.node.payments.shop import VAULT

KEY = PrivateKey(keccak(b"operator"))


async def sent_by_hand(chain: MemoryChain) -> None:
    nonce = await chain.nonce(KEY.address)
    transaction = Transaction(chain.chain_id, nonce, VAULT, b"", 50_000, 100, 1)
    await chain.send_raw(sign_transaction(transaction, KEY).raw)


async def test_the_node_s_own_transactions_are_known(database: Database) -> None:
    chain = MemoryChain()
    use = KeyUse(database, chain, KEY.address)
    await use.accept()
    outbox = Outbox(database, chain, KEY, lambda: chain.now)

    for intent in ("one", "two"):
        await outbox.send(intent, Call(VAULT, b""), 5)

    assert await use.problem() is None


async def test_a_foreign_transaction_is_reported_until_it_is_accepted(database: Database) -> None:
    chain = MemoryChain()
    await sent_by_hand(chain)  # before the start: registering the node
    use = KeyUse(database, chain, KEY.address)
    await use.accept()
    assert await use.problem() is None

    await sent_by_hand(chain)

    problem = await use.problem()
    assert problem is not None
    assert "settle retry" in problem
    await use.accept()
    assert await use.problem() is None
