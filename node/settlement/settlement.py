"""Everything a paid node does on its chain: it follows events, sends transactions, settles, and computes earnings."""

from collections.abc import Callable
from dataclasses import dataclass, field

from attribution.transition import Ledger
from contracts.crypto import Address, Bytes32
from contracts.structs import openlora_domain
from contracts.x402 import ESCROW
from node.chain.client import ChainClient
from node.chain.contracts import (
    Contract,
    EscrowContract,
    RegistryContract,
    SettlementContract,
    TokenContract,
    VaultContract,
)
from node.chain.finality import Finality
from node.chain.follower import ChainFollower, WatchedContracts
from node.chain.registrations import ChainRegistrations
from node.chain.transactions import TransactionSigner
from node.settlement.answers import Answers
from node.settlement.batcher import BATCH_LIMIT, Batcher
from node.settlement.book import Book
from node.settlement.chain_progress import ChainProgress, progress_of
from node.settlement.claims import ClaimPlan, claims_of
from node.settlement.collection import Collection
from node.settlement.cycle import Cycle, CyclePolicy, Parts
from node.settlement.datanets import DatanetFiles
from node.settlement.earnings import Bucket, Earnings, Grouping, earnings_of
from node.settlement.entitlements import Entitlements, entitlements_of
from node.settlement.errors import VaultShared
from node.settlement.escrow import ChainEscrow
from node.settlement.key_use import KeyUse
from node.settlement.outbox import Outbox, OutboxPolicy
from node.settlement.settle_report import deadlines_json, transaction_json, value_json
from node.settlement.standing import Standing, read_standing
from node.settlement.status import SettleStatus, status_of
from node.store import channels, outbox
from node.store.database import Database

RECENT = 20
"""How many finished transactions a report shows."""


@dataclass(frozen=True, slots=True)
class ContractAddresses:
    """Addresses of a node's vault, its token and the contracts. first_block: the first block with their events."""

    node: Address
    token: Address
    settlement: Address
    node_registry: Address
    asset_registry: Address
    challenges: Address
    first_block: int = 0

    def watch(self, finality: Finality) -> WatchedContracts:
        """What the follower reads: all five contracts, and this node's events."""
        contracts = {
            self.node_registry: "NodeRegistry",
            self.asset_registry: "AssetRegistry",
            self.settlement: "Settlement",
            self.challenges: "Challenges",
            ESCROW: "ChannelEscrow",
        }
        return WatchedContracts(contracts, self.node, self.first_block, finality)


@dataclass(frozen=True, slots=True)
class SettlementPolicy:
    """finality: how far the newest blocks are trusted. batch_limit: receipts in a batch."""

    finality: Finality = field(default_factory=Finality)
    batch_limit: int = BATCH_LIMIT
    outbox: OutboxPolicy = field(default_factory=OutboxPolicy)
    cycle: CyclePolicy = field(default_factory=CyclePolicy)


class Settlement:
    """Reads and changes the chain for one node."""

    def __init__(
        self,
        parts: Parts,
        cycle: Cycle,
        escrow: ChainEscrow,
        database: Database,
        datanets: DatanetFiles,
        *,
        answering: tuple[Contract, Callable[[], int]],
    ) -> None:
        """answering: the Challenges contract and a clock, for the answers to demands."""
        self.cycle = cycle
        self.follower, self.registrations, self.outbox = parts.follower, parts.registrations, parts.outbox
        self.book, self.batcher, self.escrow, self.datanets = parts.book, parts.batcher, escrow, datanets
        self._parts, self._database = parts, database
        self.key_use = KeyUse(database, parts.settlement.contract.client, parts.outbox.sender)
        self._treasury: Address | None = None
        self._progress: tuple[int, ChainProgress] | None = None
        self.answers = Answers(parts, answering[0], lambda: self.progress, answering[1])

    @classmethod
    async def open(
        cls,
        *,
        database: Database,
        client: ChainClient,
        addresses: ContractAddresses,
        signer: TransactionSigner,
        base_digest: Bytes32,
        datanets: DatanetFiles,
        clock: Callable[[], int],
        policy: SettlementPolicy | None = None,
    ) -> "Settlement":
        """Catches up with chain and database. Raises ChainError, StoreError, LedgerBroken or LedgerConflict."""
        policy = policy or SettlementPolicy()
        ledger = Ledger(addresses.node, addresses.token, openlora_domain(client.chain_id, addresses.settlement))
        sending = Outbox(database, client, signer, clock, policy.outbox)
        await sending.reconcile()
        follower = await ChainFollower.open(database, client, addresses.watch(policy.finality), clock)
        registrations = ChainRegistrations(follower, addresses.node, base_digest)
        book = await Book.open(database, ledger)
        escrow, vault = EscrowContract(client), VaultContract(client, addresses.node)
        parts = Parts(
            follower=follower,
            registrations=registrations,
            book=book,
            batcher=Batcher(database, book, registrations, policy.batch_limit),
            outbox=sending,
            collection=Collection(database, sending, escrow, vault),
            settlement=SettlementContract(client, addresses.settlement),
            escrow=escrow,
            vault=vault,
            token=TokenContract(client, addresses.token),
            registry=RegistryContract(client, addresses.node_registry),
        )
        challenges = Contract(client, "Challenges", addresses.challenges)
        cycle, escrows = Cycle(parts, policy.cycle), ChainEscrow(client, sending)
        made = cls(parts, cycle, escrows, database, datanets, answering=(challenges, clock))
        made._treasury = await parts.settlement.treasury()
        await made.cycle.catch_up()
        await made.key_use.accept()
        return made

    async def tick(self) -> frozenset[Bytes32]:
        """Reads new events and advances the outbox; call it about every second.

        Returns the channels of this node whose stored balances are out of date, until they were read again: a
        withdrawal or refund happened after the block they were read at, or that block left the chain.
        """
        await self.follower.poll()
        self.registrations.refresh()
        await self.outbox.advance()
        read_at, happened_at = await self._database.read(channels.escrow_blocks), self.progress.withdrawals
        return frozenset(known for known, at in read_at.items() if at == 0 or happened_at.get(known, 0) > at)

    async def leaving(self) -> frozenset[Bytes32]:
        """The channels whose payers withdraw and that still owe something: a cycle must claim it in time."""
        return await self._database.read(channels.leaving)

    async def close(self) -> None:
        """Cancels what runs. Pending transactions stay in the outbox. Call this before the database closes."""
        await self.cycle.close()
        for running in (self.outbox.advance, self.follower.poll, self.book.refresh):
            await running.close()

    async def check_conflict(self) -> None:
        """Raises LedgerConflict or VaultShared if the chain shows that another ledger of this vault exists."""
        self.progress.check_against(self.book)
        for channel in await self._database.read(channels.every):
            if channel.total_claimed > channel.charged:
                node = self.book.ledger.node
                raise VaultShared(node, channel.channel_id, channel.total_claimed, channel.charged)

    async def standing(self) -> Standing:
        """The node's operator key and stake as the contracts have them now."""
        parts = self._parts
        return await read_standing(self.book.ledger.node, parts.registry.contract, parts.settlement.contract)

    @property
    def chain_id(self) -> int:
        """The id of the chain that this node settles on."""
        return self._parts.settlement.contract.client.chain_id

    @property
    def progress(self) -> ChainProgress:
        """What Settlement has recorded, up to the newest followed block."""
        if self._progress is None or self._progress[0] != self.follower.changes:
            self._progress = self.follower.changes, progress_of(self.follower)
        return self._progress[1]

    async def status(self) -> SettleStatus:
        """The state of settlement, with all receipts counted."""
        await self.book.refresh()
        sender = self.outbox.sender
        known = await self._database.read(channels.every)
        last_post = await self._database.read(lambda session: outbox.latest(session, sender, "post:"))
        last_claim = await self._database.read(lambda session: outbox.latest(session, sender, "claim:"))
        unfinished, demands = await self.outbox.unfinished(), await self.answers.states()
        return status_of(self.book, self.progress, known, unfinished, (last_post, last_claim), demands=demands)

    async def report(self) -> dict[str, object]:
        """The status as a JSON object, with recent transactions, value beside gas, and payers who withdraw."""
        status, sender = await self.status(), self.outbox.sender
        known = await self._database.read(channels.every)
        sent = await self._database.read(lambda session: outbox.recent(session, sender, RECENT))
        base_fee, gate = self.follower.head.base_fee, self.cycle.gate
        return status.to_json() | {
            "transactions": [transaction_json(transaction) for transaction in sent],
            "value": value_json(known, base_fee, gate, self.book.unbatched.oldest_at),
            "deadlines": deadlines_json(known, self.progress.finalize_after),
        }

    async def earnings(
        self,
        address: Address,
        *,
        group_by: Grouping | None = None,
        bucket: Bucket | None = None,
        from_: int | None = None,
        to: int | None = None,
    ) -> Earnings:
        """What `address` earned, including receipts that are not posted yet. from_, to: unix seconds."""
        await self.book.refresh()
        return earnings_of(
            self._entitlements(address), self.book, self.progress, group_by=group_by, bucket=bucket, from_=from_, to=to
        )

    async def claims(self, address: Address) -> ClaimPlan:
        """What `address` may claim now, with the proofs."""
        await self.book.refresh()
        return claims_of(self._entitlements(address), self.book, self.progress)

    def _entitlements(self, address: Address) -> Entitlements:
        treasury = self.progress.treasury or self._treasury
        return entitlements_of(address, self.book.tally.versions, self.datanets, self.registrations, treasury)
