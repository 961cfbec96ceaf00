"""Claims in the escrow what payers owe. It claims only what is posted, so it can never claim too much."""

from collections.abc import Sequence
from dataclasses import dataclass

from attribution.state_tree import StateTree, charged_key
from contracts.crypto import Address, Bytes32, keccak
from node.chain.contracts import EscrowContract, VaultContract, VoucherClaim
from node.settlement.errors import TransactionFailed
from node.settlement.outbox import Outbox
from node.store import channels
from node.store.channels import Channel
from node.store.database import Database
from node.store.outbox import Outgoing


@dataclass(frozen=True, slots=True)
class Due:
    """What one channel owes: `amount` base units, up to `claim.total_claimed`. leaving: its payer withdraws."""

    channel_id: Bytes32
    claim: VoucherClaim
    amount: int
    leaving: bool


@dataclass(frozen=True, slots=True)
class Collected:
    """Channels and the amounts they paid, channels whose claims were refused and why, and the transactions sent."""

    claimed: tuple[tuple[Bytes32, int], ...] = ()
    refused: tuple[tuple[Bytes32, str], ...] = ()
    sent: tuple[Outgoing, ...] = ()


class Collection:
    """Claims the channels of one vault."""

    def __init__(self, database: Database, outbox: Outbox, escrow: EscrowContract, vault: VaultContract) -> None:
        self._database, self._outbox, self._escrow, self._vault = database, outbox, escrow, vault

    @property
    def vault(self) -> Address:
        """The address of the vault."""
        return self._vault.contract.address

    async def due(self, receipted: StateTree) -> tuple[Due, ...]:
        """What each channel owes beyond the escrow's `totalClaimed`, by the CHARGED values of a state tree."""
        known = await self._database.read(channels.every)
        charged = [(channel, receipted.get(charged_key(channel.channel_id))) for channel in known]
        owing = [(channel, total) for channel, total in charged if total]
        views = await self._escrow.channels([channel.channel_id for channel, _ in owing])
        made = []
        for (channel, total), view in zip(owing, views, strict=True):
            target = min(total, view.balance)  # the escrow holds no more: the payer has withdrawn
            if target > view.total_claimed:
                leaving = view.pending_withdraw > 0
                made.append(Due(channel.channel_id, _claim(channel, target), target - view.total_claimed, leaving))
        return tuple(made)

    async def collect(self, due: Sequence[Due], per_call: int, timeout_s: float) -> Collected:
        """Claims `per_call` channels per transaction. A refused transaction is repeated channel by channel."""
        made = Collected()
        for start in range(0, len(due), per_call):
            part = due[start : start + per_call]
            try:
                made = _joined(made, await self._claim(part, timeout_s))
            except TransactionFailed as error:
                made = _joined(made, await self._claim_apart(part, error, timeout_s))
        for owed in due:
            await self._update_balance(owed.channel_id)
        return made

    async def _claim_apart(self, part: Sequence[Due], error: TransactionFailed, timeout_s: float) -> Collected:
        if len(part) == 1:
            return Collected(refused=((part[0].channel_id, error.reason),))
        return await self.collect(part, 1, timeout_s)

    async def _claim(self, part: Sequence[Due], timeout_s: float) -> Collected:
        call = self._vault.claim_vouchers([owed.claim for owed in part])
        sent = await self._outbox.send(f"claim:0x{keccak(call.data).hex()}", call, timeout_s)
        return Collected(claimed=tuple((owed.channel_id, owed.amount) for owed in part), sent=(sent,))

    async def _update_balance(self, channel_id: Bytes32) -> None:
        view, number = await self._escrow.channel(channel_id)
        await self._database.write(
            lambda session: channels.set_escrowed(
                session,
                channel_id,
                balance=view.balance,
                pending_withdraw=view.pending_withdraw,
                total_claimed=view.total_claimed,
                escrow_block=number,
            )
        )


def _claim(channel: Channel, target: int) -> VoucherClaim:
    """A claim up to `target` with the newest voucher, which covers at least everything that was charged."""
    return VoucherClaim(channel.config, channel.signed_max, channel.signed_max_signature, target)


def _joined(first: Collected, second: Collected) -> Collected:
    refused = first.refused + second.refused
    return Collected(first.claimed + second.claimed, refused, first.sent + second.sent)
