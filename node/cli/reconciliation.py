"""`doctor`'s comparison of this node's ledger with the chain: what was sold, posted, claimed and credited."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from contracts.crypto import Address, Bytes32
from contracts.encoding import rfc3339, to_hex
from local_chain.deployment import Deployment
from node.chain.client import ChainClient
from node.chain.contracts import ChannelView, Contract, EscrowContract, LedgerView, SettlementContract
from node.chain.demands import Demand
from node.cli.diagnosis import Finding
from node.payments.clock import ClockTolerance
from node.settlement.standing import Standing, obstacles, read_standing
from node.store import batches, channels, ledger, meta, receipts
from node.store.batches import StoredBatch
from node.store.channels import Channel
from node.store.ledger import Head
from node.watch.open_demands import DemandReader
from node.watch.registries import Registries

_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class StoredLedger:
    """What the database has for the vault. Amounts in base units.

    receipted: by channel, the sum of the fees of its receipts. posted: the same for the receipts of posted batches.
    mark: the high-water mark of `seq`; None if this home has none.
    """

    node: Address
    head: Head
    batches: tuple[StoredBatch, ...]
    channels: tuple[Channel, ...]
    receipted: Mapping[Bytes32, int]
    posted: Mapping[Bytes32, int]
    mark: int | None = None


@dataclass(frozen=True, slots=True)
class ChainLedger:
    """What the chain has for the vault. newest_is_ours: whether its newest header is the database's of that epoch.

    demands: those that are open on its headers, the most urgent first.
    """

    chain_id: int
    ledger: LedgerView
    newest_is_ours: bool
    credited: int
    escrow: Mapping[Bytes32, ChannelView]
    standing: Standing
    head_time: int
    demands: tuple[Demand, ...] = ()


def vault_in(session: Session) -> Address | None:
    """The vault whose ledger the database keeps; None if it keeps none yet."""
    return meta.vault_of(session)


def stored_ledger(session: Session, node: Address, posted_seq: int) -> StoredLedger:
    """Reads the ledger of `node`. posted_seq: the number of the newest receipt that the chain's headers cover."""
    receipted: dict[Bytes32, int] = defaultdict(int)
    posted: dict[Bytes32, int] = defaultdict(int)
    seq = 1
    while rows := receipts.numbered(session, node, seq, _CHUNK):
        for row in rows:
            receipted[row.receipt.channel_id] += row.receipt.fee
            if row.receipt.seq <= posted_seq:
                posted[row.receipt.channel_id] += row.receipt.fee
        seq = rows[-1].receipt.seq + 1
    own = tuple(channel for channel in channels.every(session) if channel.config.receiver == node)
    return StoredLedger(node, ledger.head(session, node), batches.every(session, node), own, receipted, posted)


async def posted_seq(client: ChainClient, deployment: Deployment, node: Address) -> int:
    """The number of the newest receipt that the headers on the chain cover."""
    return (await SettlementContract(client, deployment.settlement).ledger(node)).next_seq - 1


async def chain_ledger(registries: Registries, stored: StoredLedger) -> ChainLedger:
    """Reads everything about the vault from the chain. Raises ChainError."""
    client, deployment = registries.client, registries.deployment
    settlement = SettlementContract(client, deployment.settlement)
    view = await settlement.ledger(stored.node)
    ours = 0 < view.last_epoch <= len(stored.batches)
    newest = await registries.is_posted(stored.batches[view.last_epoch - 1].header) if ours else view.last_epoch == 0
    ids = [channel.channel_id for channel in stored.channels]
    views = await EscrowContract(client).channels(ids) if ids else []
    nodes = Contract(client, "NodeRegistry", deployment.node_registry)
    return ChainLedger(
        chain_id=client.chain_id,
        ledger=view,
        newest_is_ours=newest,
        credited=await settlement.credited(stored.node),
        escrow=dict(zip(ids, views, strict=True)),
        standing=await read_standing(stored.node, nodes, settlement.contract),
        head_time=(await client.head()).timestamp,
        demands=await DemandReader(client, deployment.challenges, deployment.settlement).open(stored.node),
    )


def compared(stored: StoredLedger, chain: ChainLedger, operator: Address | None, now: int) -> list[Finding]:
    """Every comparison, passed ones included. operator: the key that this node would sign with; None if unknown."""
    return [
        *_sequence(stored, chain),
        _charges(stored),
        _claims(stored, chain),
        _batches(stored, chain),
        _credit(chain),
        *_standing(stored, chain, operator),
        _demands(stored, chain),
        _clock(chain, now),
    ]


def _sequence(stored: StoredLedger, chain: ChainLedger) -> list[Finding]:
    """A database that is behind its own high-water mark or the chain is an older backup."""
    head, restore = stored.head.last_seq, "stop the node and restore the newest backup; never sell from an older one"
    posted = chain.ledger.next_seq - 1
    behind = max(posted, stored.mark or 0)
    found = f"receipt {head} is the newest in the database, {posted} on the chain"
    found += f", {stored.mark} was signed by this home" if stored.mark is not None else ""
    return [Finding("receipts", head >= behind, found, restore, exit_code=7)]


def _charges(stored: StoredLedger) -> Finding:
    wrong = [one for one in stored.channels if one.charged != stored.receipted.get(one.channel_id, 0)]
    total = sum(stored.receipted.values())
    fix = "the database was changed by another program: restore a backup"
    if wrong:
        one = wrong[0]
        found = f"channel {to_hex(one.channel_id)} is charged {one.charged}, its receipts add up to "
        return Finding("charges", False, f"{found}{stored.receipted.get(one.channel_id, 0)}", fix, exit_code=7)
    ok = total == stored.head.charged
    found = f"{len(stored.channels)} channels, receipts of {total}, the ledger says {stored.head.charged}"
    return Finding("charges", ok, found, fix, exit_code=7)


def _claims(stored: StoredLedger, chain: ChainLedger) -> Finding:
    """Claims beyond the posted receipts can cost the stake; posted receipts that are not claimed wait for a cycle."""
    claimed = {channel_id: view.total_claimed for channel_id, view in chain.escrow.items()}
    for channel_id, total in claimed.items():
        if total > stored.posted.get(channel_id, 0):
            found = f"{total} was claimed of channel {to_hex(channel_id)}, posted receipts charge "
            fix = "run `settle now`: posting the receipts makes the claim right, before anybody proves an over-claim"
            return Finding("claims", False, f"{found}{stored.posted.get(channel_id, 0)}", fix, exit_code=7)
    open_ = sum(stored.posted.values()) - sum(claimed.values())
    return Finding("claims", True, f"{sum(claimed.values())} claimed of channels, {open_} posted and not claimed yet")


def _batches(stored: StoredLedger, chain: ChainLedger) -> Finding:
    posted, held = chain.ledger.last_epoch, len(stored.batches)
    found = f"{held} batches in the database, {posted} on the chain"
    if posted > held or not chain.newest_is_ours:
        found += ", and the newest one on the chain is not this database's"
        fix = "an older backup or a second node with this vault: stop both, and restore the newest backup"
        return Finding("batches", False, found, fix, exit_code=7)
    return Finding("batches", True, found + (f", {held - posted} wait to be posted" if held > posted else ""))


def _credit(chain: ChainLedger) -> Finding:
    short = chain.ledger.last_cum_total - chain.credited
    found = f"{chain.credited} credited, {chain.ledger.last_cum_total} posted"
    fix = f"run `settle now`; if payers have withdrawn, send {short} base units to the vault and sweep it"
    return Finding("credit", short <= 0, found + (f": {short} short" if short > 0 else ""), fix, exit_code=5)


def _standing(stored: StoredLedger, chain: ChainLedger, operator: Address | None) -> list[Finding]:
    standing = chain.standing
    signer = operator or standing.operator
    found = obstacles(standing, signer, stored.head.charged, has_prices=True)
    key = f"{standing.operator} signs for {stored.node}" + ("" if operator else "; this home's key is not known")
    stake = f"{standing.bonded} bonded, {standing.stake_needed(stored.head.charged)} needed"
    made = [
        Finding("operator key", "operator" not in found, key, found.get("operator", ""), exit_code=3),
        Finding("stake", "stake" not in found, stake, found.get("stake", ""), exit_code=5),
    ]
    if "closed" in found:
        made.append(Finding("vault", False, f"it died at {standing.died_at}", found["closed"], exit_code=4))
    return made


def _demands(stored: StoredLedger, chain: ChainLedger) -> Finding:
    """A demand that nobody answers costs the stake. A running node answers within seconds."""
    if not chain.demands:
        return Finding("demands", True, "no demand on a posted batch is open")
    first = chain.demands[0]
    found = f"{len(chain.demands)} open; {first} must be answered by {rfc3339(first.deadline)}"
    fix = "start the node: it answers before it sells"
    if any(demand.epoch > len(stored.batches) for demand in chain.demands) or not chain.newest_is_ours:
        fix = "this database lacks the batch: answer from the batches' public files, `settle answer --file FILE…`"
    return Finding("demands", False, found, fix, exit_code=5)


def _clock(chain: ChainLedger, now: int) -> Finding:
    problem = ClockTolerance.of_chain(chain.chain_id).problem(now, chain.head_time)
    found = f"the newest block is {abs(now - chain.head_time)} s {'behind' if chain.head_time <= now else 'ahead'}"
    return Finding("clock", problem is None, found, problem or "", exit_code=4)
