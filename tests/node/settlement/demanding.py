"""A challenger on a real chain: it demands leaves and payees of posted headers, and lets demands expire."""

import itertools

from eth_account import Account
from hexbytes import HexBytes

from attribution.split import Payee, PayeeKind
from contracts.crypto import PrivateKey, keccak
from contracts.structs import BatchHeader
from local_chain.accounts import dev_accounts
from local_chain.transactor import Transactor, contract
from node.chain.contracts import SettlementContract
from node.chain.demands import Subject
from node.store import outbox
from node.store.outbox import Outgoing
from tests.node.settlement.market import CHAIN_ID, Market, Town

WEI = 10**18
STRANGER = Payee(PayeeKind.ADDRESS, keccak(b"somebody who earned nothing"))


class Challenger:
    """An account with coin that demands with the bond that the contract asks for."""

    def __init__(self, town: Town) -> None:
        self.key = PrivateKey.generate()
        Transactor(town.web3, dev_accounts()[2]).pay(self.key.address, 100 * WEI)
        self._nonces = itertools.count()
        self._web3, self._sender = town.web3, Transactor(town.web3, self.key)
        self._challenges = contract(town.web3, "Challenges", town.chain.deployment.challenges)

    def demand(self, header: BatchHeader, *subjects: Subject) -> None:
        """Demands everything at once: the window of a batch is five seconds. What exceeds the bonds comes back."""
        sent = [self._send(header, subject) for subject in subjects]
        for digest in sent:
            receipt = self._web3.eth.wait_for_transaction_receipt(digest, 30, poll_latency=0.02)
            assert receipt["status"] == 1, "a demand reverted"

    def expire(self, header: BatchHeader, kind: int, item: bytes) -> None:
        next(self._nonces)
        self._sender.call(self._challenges, "expire", header.node, header.epoch, kind, item)

    def _send(self, header: BatchHeader, subject: Subject) -> HexBytes:
        values: tuple[object, ...] = (header.abi_tuple(), subject)
        if not isinstance(subject, int):
            values = (header.abi_tuple(), subject.kind, subject.id)
        function = "demandLeaf" if isinstance(subject, int) else "demandPayee"
        message = {
            "to": self._challenges.address,
            "data": self._challenges.encode_abi(function, args=values),
            "value": WEI,
            "gas": 500_000,
            "nonce": next(self._nonces),
            "chainId": CHAIN_ID,
            "maxFeePerGas": 10 * 10**9,
            "maxPriorityFeePerGas": 10**9,
        }
        signed = Account.sign_transaction(message, self.key.secret)
        return self._web3.eth.send_raw_transaction(signed.raw_transaction)


async def posted(market: Market, receipts: int = 1) -> BatchHeader:
    """A batch that has just been posted, so that its window runs. Nothing of it is claimed yet."""
    for _ in range(receipts):
        await market.serve("dermatology")
    assert await market.settlement.batcher.cut() is not None
    stored, settlement = market.settlement.book.batches[-1], market.town.chain.deployment.settlement
    post = SettlementContract(market.client, settlement).post(stored.header)
    await market.settlement.outbox.send(market.settlement.progress.post_intent(stored), post, timeout_s=60)
    return stored.header


async def answered(market: Market) -> None:
    """One turn of the node: it reads the chain, answers, and reads the chain again."""
    await market.settlement.tick()
    await market.settlement.answers.run()
    await market.settlement.tick()


async def sent_answers(market: Market) -> list[Outgoing]:
    """The node's answers, newest first."""
    sender = market.settlement.outbox.sender
    found = await market.database.read(lambda session: outbox.recent(session, sender, 100))
    return [sent for sent in found if sent.intent.startswith("answer:")]
