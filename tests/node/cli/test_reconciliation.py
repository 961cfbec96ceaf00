"""Ledger against chain: an honest node agrees, and every difference is named with its way out."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.chain.demands import Demand
from node.cli.diagnosis import Finding
from node.cli.reconciliation import ChainLedger, StoredLedger, chain_ledger, compared, posted_seq, stored_ledger
from node.watch.registries import Registries
from tests.attribution.ledgers import key
from tests.node.settlement.market import fund, new_stall, open_market, running_town

OTHER = key(7).address


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StoredLedger, ChainLedger]]:
    """The two sides of a node that has posted two receipts and served a third."""

    async def work() -> tuple[StoredLedger, ChainLedger]:
        stall = new_stall(town)
        async with open_market(town, tmp_path_factory.mktemp("node"), stall) as market:
            await fund(market)
            await market.serve("dermatology")
            await market.serve(None)
            await market.settlement.cycle.run(market.now, force=True)
            await market.serve("nutrition")
            node, deployment = stall.addresses.node, town.chain.deployment
            posted = await posted_seq(market.client, deployment, node)
            stored = await market.database.read(lambda session: stored_ledger(session, node, posted))
            return stored, await chain_ledger(Registries(market.client, deployment), stored)

    with running_town(tmp_path_factory.mktemp("reconciled-chain") / "home") as town:
        yield asyncio.run(work())


def wrong(stored: StoredLedger, chain: ChainLedger, **more: object) -> dict[str, Finding]:
    given: dict[str, object] = {"operator": None, "now": chain.head_time} | more
    found = compared(stored, chain, **given)  # type: ignore[arg-type]  # operator and now
    return {finding.check: finding for finding in found if not finding.ok}


def test_an_honest_node_agrees_with_the_chain(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest

    found = {finding.check: finding.found for finding in compared(stored, chain, None, chain.head_time)}

    assert wrong(stored, chain).keys() <= {"stake"}  # the tests' vaults bond nothing
    assert found["receipts"].startswith("receipt 3 is the newest in the database, 2 on the chain")
    assert found["batches"] == "1 batches in the database, 1 on the chain"
    assert stored.head.charged > sum(stored.posted.values()) > 0


def test_an_older_backup_is_found_by_the_chain_and_by_the_mark(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest
    older = replace(stored, head=replace(stored.head, last_seq=1), batches=())

    by_chain, by_mark = wrong(older, replace(chain, newest_is_ours=False)), wrong(replace(stored, mark=4), chain)

    assert by_chain["receipts"].exit_code == by_chain["batches"].exit_code == 7
    assert "0 batches in the database, 1 on the chain" in by_chain["batches"].found
    assert "4 was signed by this home" in by_mark["receipts"].found
    assert "never sell from an older one" in by_mark["receipts"].fix


def test_another_header_on_the_chain_is_found(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest

    assert "not this database's" in wrong(stored, replace(chain, newest_is_ours=False))["batches"].found


def test_a_channel_that_its_receipts_do_not_explain_is_found(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest
    channel = replace(stored.channels[0], charged=stored.channels[0].charged + 1)

    changed = wrong(replace(stored, channels=(channel,)), chain)
    total = wrong(replace(stored, head=replace(stored.head, charged=stored.head.charged + 1)), chain)

    assert f"is charged {channel.charged}" in changed["charges"].found
    assert total["charges"].exit_code == 7


def test_claims_beyond_the_posted_receipts_are_found(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest
    channel_id, view = next(iter(chain.escrow.items()))
    far = replace(view, total_claimed=stored.posted[channel_id] + 1)

    found = wrong(stored, replace(chain, escrow={channel_id: far}))["claims"]

    assert "settle now" in found.fix
    assert found.exit_code == 7


def test_a_shortfall_says_how_much_is_missing(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest
    short = wrong(stored, replace(chain, credited=chain.ledger.last_cum_total - 5))["credit"]

    assert short.found.endswith(": 5 short")
    assert "send 5 base units" in short.fix
    assert short.exit_code == 5


def test_key_stake_death_and_clock_are_named(honest: tuple[StoredLedger, ChainLedger]) -> None:
    stored, chain = honest
    standing = replace(chain.standing, stake_ratio_ppm=1_000_000, bonded=0, died_at=99)
    far = chain.head_time + 10**9

    found = wrong(stored, replace(chain, standing=standing), operator=OTHER, now=far)

    assert {name: found[name].exit_code for name in found} == {"operator key": 3, "stake": 5, "vault": 4, "clock": 4}
    assert OTHER in found["operator key"].fix
    assert "behind" in found["clock"].found


def test_open_demands_are_named_with_their_deadline_and_who_can_answer(
    honest: tuple[StoredLedger, ChainLedger],
) -> None:
    stored, chain = honest
    first = Demand(stored.node, 1, 0, OTHER, 10**15, deadline=1_800_000_000)

    running = wrong(stored, replace(chain, demands=(first,)))["demands"]
    restored = wrong(replace(stored, batches=()), replace(chain, demands=(first, replace(first, subject=1))))["demands"]

    assert running.found == "1 open; the demand for leaf 0 of epoch 1 must be answered by 2027-01-15T08:00:00Z"
    assert "answers before it sells" in running.fix
    assert restored.found.startswith("2 open; ")
    assert "settle answer --file" in restored.fix
