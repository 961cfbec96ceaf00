"""Sends each intent once: it is stored, simulated, signed, stored again, broadcast, and watched until it is final.

intended → signed → broadcast → mined → final, or failed. The node may crash after any step: the stored state says how
to continue, and the contracts accept each intent only once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from contracts.crypto import Address
from node.chain.client import Call, ChainClient, Inclusion
from node.chain.errors import CallRefused, CallReverted, GasTooDear, NonceTooLow, TransactionRefused, Underpriced
from node.chain.fees import DEFAULT_CAP, Fees, current_fees, gas_limit
from node.chain.single_flight import SingleFlight
from node.chain.transactions import Transaction, TransactionSigner, sign_transaction
from node.settlement.errors import TransactionFailed, TransactionPending
from node.settlement.nonce_check import NonceCheck
from node.store import outbox
from node.store.database import Database
from node.store.outbox import Attempt, Outgoing, State

_DONE = (State.MINED, State.FINAL)


@dataclass(frozen=True, slots=True)
class OutboxPolicy:
    """confirmations: blocks above the mined block that make a transaction final. stuck_after_s: when the fee is raised.

    lag_s: how long a nonce must appear as used elsewhere, or as missing, before transactions get other nonces; an
    endpoint behind a load balancer may lag. max_fee_cap: in wei per gas; no transaction is signed for more. poll_s: how
    often `wait` checks.
    """

    confirmations: int = 0
    lag_s: int = 0
    stuck_after_s: int = 60
    max_fee_cap: int = DEFAULT_CAP
    poll_s: float = 0.1


class Outbox:
    """The transactions of one key. Any number of tasks may submit and wait; only one pass runs at a time."""

    def __init__(
        self,
        database: Database,
        client: ChainClient,
        signer: TransactionSigner,
        clock: Callable[[], int],
        policy: OutboxPolicy | None = None,
    ) -> None:
        self._database, self._client, self._signer, self._clock = database, client, signer, clock
        self._policy = policy or OutboxPolicy()
        self._nonces = NonceCheck(database, client, signer.address, clock, self._policy.lag_s)
        self.advance = SingleFlight(self._pass)

    @property
    def sender(self) -> Address:
        """The address whose transactions these are."""
        return self._signer.address

    @property
    def max_fee_cap(self) -> int:
        """The most that a transaction may pay, in wei per gas."""
        return self._policy.max_fee_cap

    async def reconcile(self) -> None:
        """Broadcasts again what the chain has lost, even if it was final, and closes gaps between nonces at once."""
        await self._nonces.mend(at_once=True)

    async def submit(self, intent: str, call: Call) -> Outgoing:
        """Stores the intent to send `call`. A known intent returns its transaction; a failed one starts again."""
        assert call.value == 0, "an intent has no value"
        return await self._database.write(
            lambda session: outbox.intend(
                session, intent=intent, sender=self.sender, to=call.to, call_data=call.data, now=self._clock()
            )
        )

    async def cancel(self, intent: str) -> bool:
        """Cancels an intent that has no nonce yet; returns whether it was cancelled."""
        now = self._clock()
        return await self._database.write(lambda session: outbox.cancel(session, intent, now))

    async def find(self, intent: str) -> Outgoing | None:
        """The transaction of an intent; None if it was never submitted."""
        return await self._database.read(lambda session: outbox.find(session, intent))

    async def unfinished(self) -> tuple[Outgoing, ...]:
        """The transactions that are neither final nor failed."""
        return await self._database.read(lambda session: outbox.unfinished(session, self.sender))

    async def send(self, intent: str, call: Call, timeout_s: float) -> Outgoing:
        """Submits and waits until the transaction is mined. Raises TransactionFailed or TransactionPending."""
        await self.submit(intent, call)
        return await self.wait(intent, timeout_s)

    async def wait(self, intent: str, timeout_s: float) -> Outgoing:
        """Advances the outbox until `intent` is mined.

        Raises TransactionFailed if it is refused, TransactionPending after `timeout_s`, or at once if it cannot be
        sent now.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            await self.advance()
            found = await self.find(intent)
            assert found is not None, "wait for what was submitted"
            if found.state in _DONE:
                return found
            if found.state is State.FAILED:
                raise TransactionFailed(intent, found.failure or "unknown")
            held_up = found.state is State.INTENDED and found.failure is not None
            if held_up or asyncio.get_running_loop().time() > deadline:
                raise TransactionPending(intent, found.hash, found.failure)
            await asyncio.sleep(self._policy.poll_s)

    async def _pass(self) -> None:
        """Checks the nonces, then advances every unfinished transaction as far as possible."""
        await self._nonces.mend()
        for transaction in await self.unfinished():
            await self._step(transaction)

    async def _step(self, transaction: Outgoing) -> None:
        if transaction.state is State.INTENDED:
            transaction = await self._sign(transaction)
        if transaction.state in (State.SIGNED, State.BROADCAST):
            transaction = await self._deliver(transaction)
        if transaction.state is State.MINED:
            await self._confirm(transaction)

    async def _sign(self, transaction: Outgoing) -> Outgoing:
        """Simulates; then takes a nonce and stores the signed bytes in one database transaction."""
        try:
            call = Call(transaction.to, transaction.call_data)
            gas = gas_limit(await self._client.estimate_gas(call, self.sender))
            fees = await current_fees(self._client, self._policy.max_fee_cap)
        except CallReverted as error:
            return await self._change(transaction, State.FAILED, failure=error.reason)
        except CallRefused as error:
            return await self._change(transaction, State.INTENDED, failure=error.reason)
        except GasTooDear as error:
            return await self._change(transaction, State.INTENDED, failure=str(error))
        held = await self._client.funds(self.sender)
        if held < gas * fees.max_fee:
            note = f"the operator {self.sender} holds {held} wei and may need {gas * fees.max_fee}; fund it"
            return await self._change(transaction, State.INTENDED, failure=note)
        mined, now = await self._client.nonce(self.sender), self._clock()

        def store(session: Session) -> Outgoing:
            if not outbox.is_waiting(session, transaction.transaction_id):  # cancelled while it was simulated
                return outbox.advance(session, transaction, State.INTENDED, now)
            nonce = outbox.take_nonce(session, self.sender, mined)
            attempt = self._attempt(transaction, nonce, gas, fees)
            outbox.add_attempt(session, transaction.transaction_id, attempt)
            return outbox.advance(session, transaction, State.SIGNED, now, nonce=nonce, gas=gas, failure=None)

        return await self._database.write(store)

    async def _deliver(self, transaction: Outgoing) -> Outgoing:
        """Checks whether the transaction was mined. If not, broadcasts it again or raises its fee."""
        found = await self._inclusion(transaction)
        if found is not None:
            return await self._mined(transaction, found)
        assert transaction.nonce is not None
        known = [await self._client.knows(attempt.transaction_hash) for attempt in transaction.attempts]
        if any(known):
            waited_s = self._clock() - transaction.attempts[-1].signed_at
            return await self._raise_fee(transaction) if waited_s >= self._policy.stuck_after_s else transaction
        doubt = f"nonce of {transaction.transaction_id}"
        if await self._client.nonce(self.sender) <= transaction.nonce:
            self._nonces.trust(doubt)
            return await self._broadcast(transaction)
        if await self._inclusion(transaction) is None and self._nonces.is_sure(doubt):
            return await self._renumber(transaction)
        return transaction

    async def _broadcast(self, transaction: Outgoing) -> Outgoing:
        try:
            await self._client.send_raw(transaction.attempts[-1].raw)
        except NonceTooLow:
            return transaction  # just mined, or its nonce was used elsewhere: the next pass finds out
        except Underpriced:
            return await self._raise_fee(transaction)
        except TransactionRefused as error:
            return await self._change(transaction, transaction.state, failure=error.reason)
        transaction = await self._change(transaction, State.BROADCAST, failure=None)
        found = await self._inclusion(transaction)
        return transaction if found is None else await self._mined(transaction, found)

    async def _raise_fee(self, transaction: Outgoing) -> Outgoing:
        """Signs a replacement with the same nonce and fees an eighth higher, which is what nodes require."""
        last, cap = transaction.attempts[-1], self._policy.max_fee_cap
        try:
            current = await current_fees(self._client, cap)
        except GasTooDear as error:
            return await self._change(transaction, transaction.state, failure=str(error))
        fees = Fees(max(current.max_fee, last.max_fee * 9 // 8 + 1), max(current.tip, last.tip * 9 // 8 + 1))
        if fees.max_fee > cap:
            return await self._change(transaction, transaction.state, failure=str(GasTooDear(fees.max_fee, cap)))
        assert transaction.nonce is not None
        assert transaction.gas is not None
        attempt = self._attempt(transaction, transaction.nonce, transaction.gas, fees)

        def store(session: Session) -> Outgoing:
            outbox.add_attempt(session, transaction.transaction_id, attempt)
            return outbox.advance(session, transaction, State.SIGNED, attempt.signed_at)

        raised = await self._database.write(store)
        try:
            await self._client.send_raw(attempt.raw)
        except TransactionRefused as error:
            return await self._change(raised, State.SIGNED, failure=error.reason)
        return await self._change(raised, State.BROADCAST, failure=None)

    async def _renumber(self, transaction: Outgoing) -> Outgoing:
        """Another program used the key and this nonce: the intent needs a new nonce."""
        now = self._clock()
        return await self._database.write(lambda session: outbox.restart(session, transaction.transaction_id, now))

    async def _mined(self, transaction: Outgoing, found: Inclusion) -> Outgoing:
        state = State.MINED if found.succeeded else State.FAILED
        return await self._change(
            transaction,
            state,
            failure=None if found.succeeded else "reverted when it was mined",
            mined_hash=found.transaction_hash,
            block_number=found.block_number,
            block_hash=found.block_hash,
            gas_used=found.gas_used,
            gas_price=found.gas_price,
        )

    async def _confirm(self, transaction: Outgoing) -> None:
        """Final once enough blocks lie above it. If its block left the chain, it counts as broadcast again."""
        found = await self._inclusion(transaction)
        if found is None:
            gone = dict.fromkeys(("mined_hash", "block_number", "block_hash", "gas_used", "gas_price"))
            await self._change(transaction, State.BROADCAST, **gone)
        elif found.block_hash != transaction.block_hash:
            await self._mined(transaction, found)
        elif (await self._client.head()).number - found.block_number >= self._policy.confirmations:
            await self._change(transaction, State.FINAL)

    async def _inclusion(self, transaction: Outgoing) -> Inclusion | None:
        for attempt in transaction.attempts:
            found = await self._client.inclusion(attempt.transaction_hash)
            if found is not None:
                return found
        return None

    def _attempt(self, transaction: Outgoing, nonce: int, gas: int, fees: Fees) -> Attempt:
        to_sign = Transaction(
            chain_id=self._client.chain_id,
            nonce=nonce,
            to=transaction.to,
            data=transaction.call_data,
            gas=gas,
            max_fee=fees.max_fee,
            tip=min(fees.tip, fees.max_fee),
        )
        signed = sign_transaction(to_sign, self._signer)
        return Attempt(signed.hash, signed.raw, to_sign.max_fee, to_sign.tip, self._clock())

    async def _change(self, transaction: Outgoing, state: State, **values: object) -> Outgoing:
        now = self._clock()
        return await self._database.write(lambda session: outbox.advance(session, transaction, state, now, **values))
