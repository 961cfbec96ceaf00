"""Real contracts on anvil behind a faulty endpoint: whatever goes wrong, every receipt is settled once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.chain.errors import ChainError
from node.settlement.errors import SettlementError
from node.store.outbox import State
from tests.node.chain import faulty_rpc
from tests.node.chain.faulty_rpc import Fault
from tests.node.settlement.market import Town, new_stall
from tests.node.settlement.shaken import CONFIRMATIONS, IMPATIENT_S, PATIENT_S, Shaken, running_anvil, shaken

pytestmark = pytest.mark.full  # each case takes seconds: a node of its own on real contracts
GWEI = 10**9
STATES = [State.INTENDED, State.SIGNED, State.BROADCAST, State.MINED, State.FINAL]
FAULTS: dict[str, Fault] = {
    "times out": faulty_rpc.silent(),
    "times out after taking a transaction": faulty_rpc.silent("eth_getTransactionReceipt"),
    "answers 429": faulty_rpc.busy(),
    "answers 429 to transactions": faulty_rpc.busy("eth_sendRawTransaction"),
    "lags 1 block": faulty_rpc.lagging(1),
    "lags 5 blocks": faulty_rpc.lagging(5),
    "leaves out events": faulty_rpc.without_logs,
    "counts 5 nonces too many": faulty_rpc.ahead_by(5),
    "counts 1 nonce too few": faulty_rpc.ahead_by(-1),
    "shows a block of the future": faulty_rpc.from_the_future,
    "shows gas at 20,000 gwei": faulty_rpc.dear(20_000 * GWEI),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with running_anvil(tmp_path_factory.mktemp("anvil") / "home") as running:
        yield running


async def hold(node: Shaken, state: State) -> None:
    """Brings the transaction that posts the newest receipt into a state, and leaves it there."""
    node.automine(False)
    held_by = {
        State.INTENDED: faulty_rpc.dear(20_000 * GWEI),
        State.SIGNED: faulty_rpc.busy("eth_sendRawTransaction"),
    }.get(state, lambda method, params, forward: None)
    for _ in range(20):  # a cycle may wait until the chain's clock has reached the receipt's
        with node.rpc.suffering(held_by):
            await node.try_to_settle()
        if [one for one in await node.market.settlement.outbox.unfinished() if one.intent.startswith("post:")]:
            break
    if state in (State.MINED, State.FINAL):
        node.mine(1 if state is State.MINED else CONFIRMATIONS + 2)
        await node.market.settlement.tick()
    sent = await node.market.settlement.outbox.unfinished()
    if state is State.FINAL:
        assert [one for one in sent if one.intent.startswith("post:")] == []
    else:
        held = [(one.intent[:7], one.state, one.failure) for one in sent]
        assert state in {one.state for one in sent if one.intent.startswith("post:")}, (held, node.trouble)


async def newest_nonce(node: Shaken) -> int:
    """The nonce of the newest transaction that posts a batch; the next nonce of the key if it has none yet."""
    found = await node.market.settlement.outbox.find(await newest_post(node))
    assert found is not None
    return await node.market.client.nonce(node.stall.operator.address) if found.nonce is None else found.nonce


async def newest_post(node: Shaken) -> str:
    batch = node.market.settlement.book.batches[-1]
    return f"post:{batch.header.epoch}:0x{batch.header_hash.hex()}"


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[pytest.mark.full] if "times out" in name else []) for name in FAULTS]
)
async def test_an_endpoint_that_fails_for_a_while_loses_and_doubles_nothing(
    town: Town, tmp_path: Path, fault: str
) -> None:
    patience_s = IMPATIENT_S if "times out" in fault else PATIENT_S
    async with shaken(town, tmp_path, timeout_s=patience_s) as node:
        await node.market.serve()
        await node.settle()
        await node.market.serve()
        with node.rpc.suffering(FAULTS[fault]):
            await node.try_to_settle(rounds=2)
            node.mine()
            await node.try_to_settle(rounds=2)
        await node.market.serve()

        await node.settle()

        await node.check()


@pytest.mark.parametrize("depth", [3])
@pytest.mark.parametrize("state", STATES)
async def test_a_reorganisation_in_any_state_loses_and_doubles_nothing(
    town: Town, tmp_path: Path, state: State, depth: int
) -> None:
    await reorganise_in(town, tmp_path, state, depth)


@pytest.mark.full
@pytest.mark.parametrize("depth", [depth for depth in range(1, 21) if depth != 3])
@pytest.mark.parametrize("state", STATES)
async def test_a_reorganisation_of_any_depth_in_any_state_loses_and_doubles_nothing(
    town: Town, tmp_path: Path, state: State, depth: int
) -> None:
    await reorganise_in(town, tmp_path, state, depth)


async def reorganise_in(town: Town, home: Path, state: State, depth: int) -> None:
    async with shaken(town, home) as node:
        node.mine(21)
        await node.market.serve()
        await hold(node, state)

        node.chain("anvil_reorg", depth, [])
        await node.try_to_settle()
        await node.settle()

        await node.check()


@pytest.mark.parametrize("state", STATES)
async def test_a_nonce_that_another_program_takes_in_any_state_loses_and_doubles_nothing(
    town: Town, tmp_path: Path, state: State
) -> None:
    async with shaken(town, tmp_path) as node:
        node.mine(21)
        await node.market.serve()
        await hold(node, state)
        nonce = await newest_nonce(node)
        if state in (State.MINED, State.FINAL):  # the foreign transaction takes its place in another branch
            node.chain("anvil_reorg", CONFIRMATIONS + 3, [])
            node.chain("anvil_dropAllTransactions")
        node.take_nonce(nonce)
        node.mine()

        await node.try_to_settle()
        await node.settle()

        await node.check()


@pytest.mark.parametrize("state", STATES)
async def test_a_chain_that_restarts_from_an_older_snapshot_loses_and_doubles_nothing(
    town: Town, tmp_path: Path, state: State
) -> None:
    async with shaken(town, tmp_path) as node:
        snapshot = node.chain("evm_snapshot")
        await node.market.serve()
        await hold(node, state)

        assert node.chain("evm_revert", snapshot)
        node.chain("anvil_dropAllTransactions")
        await node.try_to_settle()
        await node.settle()

        await node.check()


@pytest.mark.parametrize("state", STATES)
async def test_a_restart_in_any_state_goes_on_where_it_stopped(town: Town, tmp_path: Path, state: State) -> None:
    async with shaken(town, tmp_path) as node:
        await node.market.serve()
        await hold(node, state)
        fee, stall, payer = node.market.served[0].receipt.fee, node.stall, node.market.payer

    async with shaken(town, tmp_path, stall) as node:
        node.market.charged_before, node.market.payer = fee, payer
        await node.settle()

        await node.check()


async def test_what_is_held_up_says_why(town: Town, tmp_path: Path) -> None:
    """Every state that lasts has a name, a reason and a verb."""
    async with shaken(town, tmp_path) as node:
        await node.market.serve()
        with node.rpc.suffering(faulty_rpc.dear(20_000 * GWEI)):
            await node.try_to_settle()
            dear = await node.market.settlement.report()
        node.automine(False)
        await node.try_to_settle()
        pending = await node.market.settlement.report()
        with (
            node.rpc.suffering(faulty_rpc.busy()),
            pytest.raises((ChainError, SettlementError), match=r"overloaded|429"),
        ):
            await node.market.settlement.cycle.run(node.market.now, force=True)

        assert dear["transactions"][0]["state"] == "intended"
        assert "20000 gwei" in dear["transactions"][0]["note"]
        assert pending["transactions"][0]["state"] == "broadcast"
        await node.settle()
        await node.check()


async def test_a_price_list_counts_once_it_is_confirmed_though_no_event_follows(town: Town, tmp_path: Path) -> None:
    """Empty blocks confirm it, and a node that only follows the chain must notice."""
    stall = new_stall(town)
    async with shaken(town, tmp_path, stall) as node:
        before = node.market.settlement.registrations.has_prices(node.market.now)

        node.mine(CONFIRMATIONS)
        await node.market.settlement.tick()

        assert not before
        assert node.market.settlement.registrations.has_prices(node.market.now)
