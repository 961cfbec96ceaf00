"""A watcher with an account against operators on a real chain: what is wrong dies, and its bonds come back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attribution.findings import SignedLeaf
from attribution.split import Payee
from attribution.state_tree import earned_key
from attribution.witness import witness_of
from contracts.crypto import PrivateKey
from local_chain.accounts import dev_accounts
from local_chain.deploy import DevParameters
from local_chain.transactor import Transactor
from node.chain.contracts import Contract, SettlementContract
from node.chain.errors import ChainUnavailable
from node.settlement.direct_sending import send_calls
from node.watch.actions import Act, Action
from node.watch.challenger import Challenger
from node.watch.registries import Registries
from node.watch.sender import Sender
from node.watch.shown_claims import shown_claims
from node.watch.source import MirrorFolder
from node.watch.unreachable import UnreachableNode
from node.watch.watched import Watched
from node.watch.withholding import HURRY_S, SAMPLES
from tests.node.settlement.market import Market, Town, running_town
from tests.node.watch.publishing import cheating, published

COIN = 10**18
DAY_S = 86_400


WINDOW_S = 3_600


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A chain whose windows last an hour: those of a development chain end before a slow machine has demanded."""
    home = tmp_path_factory.mktemp("challenged-chain") / "home"
    with running_town(home, parameters=DevParameters(challenge_window_s=WINDOW_S)) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Guard:
    """One watcher: its key, and a way to look as it does after a restart."""

    key: PrivateKey
    registries: Registries
    source: MirrorFolder | UnreachableNode
    payees: tuple[Payee, ...] = ()
    signed: tuple[SignedLeaf, ...] = ()

    @property
    def fresh(self) -> "Looking":
        """A watcher that has just started."""
        payees = self.payees or (Payee.of_address(self.key.address),)
        challenger = Challenger(self.registries, Sender(self.registries.client, self.key), payees)
        return Looking(challenger, Watched(self.source, self.registries, self.signed))


@dataclass(frozen=True, slots=True)
class Looking:
    challenger: Challenger
    watched: Watched

    async def look(self) -> list[Action]:
        findings = await self.watched.look()
        return [action async for action in self.challenger.act(self.watched, findings)]

    async def acts(self) -> list[Act]:
        return [action.act for action in await self.look()]


def new_key(town: Town, wei: int = COIN) -> PrivateKey:
    key = PrivateKey.generate()
    if wei:
        Transactor(town.web3, dev_accounts()[2]).pay(key.address, wei)
    return key


def guard_of(market: Market, source: MirrorFolder | UnreachableNode, key: PrivateKey) -> Guard:
    return Guard(key, Registries(market.client, market.town.chain.deployment), source)


async def test_a_wrong_receipt_is_demanded_once_expires_and_pays_the_watcher(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        guard = guard_of(market, source, new_key(town))
        watching = guard.fresh

        first, second, restarted = await watching.acts(), await watching.acts(), await guard.fresh.acts()
        before = await market.client.funds(guard.key.address)
        tokens = await market.balance(guard.key)
        town.pass_time(DAY_S)
        expired = await watching.acts()
        after = await watching.acts()

        assert first == [Act.DEMANDED]
        assert second == [Act.WAITING]
        assert restarted == [Act.WAITING]
        assert expired == [Act.EXPIRED, Act.WITHDREW, Act.REWARDED]
        assert after == [Act.DIED, Act.RESTORED]
        assert await market.client.funds(guard.key.address) > before
        assert await market.balance(guard.key) > tokens
        assert await guard.registries.last_epoch(market.settlement.book.ledger.node) == 0


async def test_a_restarted_watcher_ends_a_header_and_collects_what_an_earlier_one_demanded(
    town: Town, tmp_path: Path
) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        guard = guard_of(market, source, new_key(town))
        await guard.fresh.look()
        town.pass_time(DAY_S)

        assert await guard.fresh.acts() == [Act.EXPIRED, Act.WITHDREW, Act.REWARDED]
        assert await guard.fresh.acts() == [Act.RESTORED]
        assert await guard.fresh.acts() == []


async def test_two_watchers_demand_a_receipt_once(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        one, two = (guard_of(market, source, new_key(town)).fresh for _ in range(2))

        assert await one.acts() == [Act.DEMANDED]
        assert await two.acts() == [Act.WAITING]


async def test_a_bond_is_reclaimed_after_the_header_died_of_a_proof(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, stall, source):
        guard = guard_of(market, source, new_key(town))
        watching = guard.fresh
        await watching.look()
        receipt = market.served[1].receipt
        other = replace(receipt, tokens_out=receipt.tokens_out + 1)
        forked = SignedLeaf(other, stall.operator.sign(other.digest(market.payer.receiver.domain)))
        payer = replace(guard_of(market, source, new_key(town)), signed=(forked,))

        assert Act.PROVED in await payer.fresh.acts()
        assert await watching.acts() == [Act.DIED, Act.RECLAIMED, Act.WITHDREW]
        assert await guard.fresh.acts() == []


async def test_a_watcher_without_coins_says_so_and_goes_on_once_it_has_some(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        poor = new_key(town, wei=0)
        watching = guard_of(market, source, poor).fresh

        (unsent,), again = await watching.look(), await watching.acts()
        Transactor(town.web3, dev_accounts()[2]).pay(poor.address, COIN)
        funded = await watching.acts()

        assert unsent.act is Act.NOT_SENT
        assert f"{poor.address} holds 0 of" in unsent.detail
        assert again == []
        assert funded == [Act.DEMANDED]


async def test_a_chain_that_is_away_for_a_while_loses_nothing(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        watching = guard_of(market, source, new_key(town)).fresh
        findings = await watching.watched.look()
        market.client.failing = {"eth_sendRawTransaction"}
        with pytest.raises(ChainUnavailable, match="not answered"):
            _ = [action async for action in watching.challenger.act(watching.watched, findings)]
        market.client.failing = ()

        assert await watching.acts() == [Act.DEMANDED]


async def test_the_payee_of_a_withheld_file_is_demanded_and_what_is_shown_can_be_claimed(
    market: Market, tmp_path: Path
) -> None:
    town, node = market.town, market.settlement.book.ledger.node
    operator = Payee.of_address(market.operator.address)
    guard = replace(guard_of(market, UnreachableNode(node), new_key(town)), payees=(operator,))
    watching = guard.fresh

    first = await watching.acts()
    tree, header = market.settlement.book.latest.tree, market.settlement.book.batches[-1].header
    contract = Contract(market.client, "Challenges", town.chain.deployment.challenges)
    witness = witness_of(tree, earned_key(operator))
    show = contract.to_call("showPayee", header.abi_tuple(), int(operator.kind), operator.id, witness)
    await send_calls(market.client, market.operator, [show])
    answered, restarted = await watching.look(), await guard.fresh.acts()

    assert first == [Act.DEMANDED]
    assert [action.act for action in answered] == [Act.ANSWERED, Act.DEMANDED]
    assert f"earned {tree.get(earned_key(operator))} base units" in answered[0].detail
    assert "demandLeaf of leaf" in answered[1].detail
    assert restarted == [Act.ANSWERED, Act.WAITING]


async def test_every_leaf_of_a_withheld_file_may_be_demanded_just_before_the_window_ends(market: Market) -> None:
    """A payee that is shown after the window would come too late to ask for more."""
    town, node = market.town, market.settlement.book.ledger.node
    watching = guard_of(market, UnreachableNode(node), new_key(town)).fresh
    town.pass_time(WINDOW_S - HURRY_S // 2)
    count = market.settlement.book.batches[-1].header.count

    demanded = [action.detail for _ in range(count + 2) for action in await watching.look() if action.transaction]

    assert len(demanded) == len(set(demanded)) == 1 + min(count, SAMPLES)
    assert sum("demandLeaf" in detail for detail in demanded) == min(count, SAMPLES)


async def test_a_payee_claims_what_was_shown_once_the_header_is_active(market: Market) -> None:
    town, node = market.town, market.settlement.book.ledger.node
    operator = Payee.of_address(market.operator.address)
    guard = replace(guard_of(market, UnreachableNode(node), new_key(town)), payees=(operator,))
    assert await guard.fresh.acts() == [Act.DEMANDED]
    tree, header = market.settlement.book.latest.tree, market.settlement.book.batches[-1].header
    contract = Contract(market.client, "Challenges", town.chain.deployment.challenges)
    witness = witness_of(tree, earned_key(operator))
    show = contract.to_call("showPayee", header.abi_tuple(), int(operator.kind), operator.id, witness)
    await send_calls(market.client, market.operator, [show])

    settlement = SettlementContract(market.client, town.chain.deployment.settlement)
    early = await shown_claims(guard.registries, market.operator.address)
    town.pass_time(WINDOW_S)
    await send_calls(market.client, market.operator, [settlement.activate(node)])
    plan = await shown_claims(guard.registries, market.operator.address)
    held = await market.balance(market.operator)
    await send_calls(market.client, market.operator, plan.calls(market.client, town.chain.deployment.settlement))
    again = await shown_claims(guard.registries, market.operator.address)

    assert early.entries == again.entries == ()
    assert plan.amount == tree.get(earned_key(operator))
    assert await market.balance(market.operator) == held + plan.amount


async def test_a_header_whose_file_is_withheld_dies_if_nobody_shows_the_payee(market: Market) -> None:
    town, node = market.town, market.settlement.book.ledger.node
    watching = guard_of(market, UnreachableNode(node), new_key(town)).fresh
    await watching.look()
    town.pass_time(DAY_S)

    acts = await watching.acts()

    assert acts[0] is Act.EXPIRED
    assert await watching.challenger.registries.last_epoch(node) == 0


async def test_a_missing_file_is_demanded_only_after_some_looks(market: Market, tmp_path: Path) -> None:
    source = await published(market, tmp_path / "node")
    content = source.receipts_file(1)
    source.batch_path(1).unlink()
    looking = guard_of(market, source, new_key(market.town)).fresh
    old = looking.challenger
    patient = Looking(Challenger(old.registries, old.sender, old.payees, patience=3), looking.watched)

    missing = [await patient.acts() for _ in range(2)]
    source.batch_path(1).write_bytes(content)
    served = await patient.acts()
    source.batch_path(1).unlink()

    assert missing == [[], []]
    assert served == []


async def test_a_final_header_is_left_alone(town: Town, tmp_path: Path) -> None:
    async with cheating(town, tmp_path) as (market, _, source):
        town.pass_time(DAY_S)
        watching = guard_of(market, source, new_key(town)).fresh

        assert await watching.acts() == [Act.TOO_LATE]
        assert await watching.acts() == []
