"""A paid node on anvil behind a faulty endpoint: its transactions held in any state, and the laws that must hold."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.crypto import PrivateKey
from contracts.x402 import ESCROW
from local_chain.anvil import AnvilBackend, find_anvil
from local_chain.deploy import deploy
from local_chain.launcher import RunningChain
from local_chain.transactor import contract
from node.chain.client import Call
from node.chain.errors import ChainError
from node.chain.events import BatchPosted, Credited
from node.chain.finality import Finality
from node.chain.rpc import RpcClient
from node.chain.transactions import Transaction, sign_transaction
from node.settlement.cycle import CyclePolicy
from node.settlement.errors import SettlementError
from node.settlement.outbox import OutboxPolicy
from node.settlement.settlement import SettlementPolicy
from tests.node.chain.faulty_rpc import FaultyRpc
from tests.node.settlement.market import CHAIN_ID, Market, Stall, Town, fund, new_stall, open_market, seeded_town

CONFIRMATIONS = 2
PATIENT_S, IMPATIENT_S = 20.0, 3.0
POLICY = SettlementPolicy(
    finality=Finality(CONFIRMATIONS, lag_s=1, max_ahead_s=86_400),
    outbox=OutboxPolicy(confirmations=CONFIRMATIONS, lag_s=1, stuck_after_s=2, poll_s=0.02),
    cycle=CyclePolicy(mining_timeout_s=0.3),
)
_LONGEST_S = 120.0


@contextmanager
def running_anvil(home: Path) -> Iterator[Town]:
    """A town on anvil without the launcher's empty blocks: the test decides about every block."""
    find_anvil()  # says what to install where it is missing
    home.mkdir(parents=True)
    backend = AnvilBackend(home)
    backend.start(0)
    try:
        yield seeded_town(RunningChain(backend.rpc_url, 0, "anvil", deploy(backend.rpc_url)))
    finally:
        backend.stop()


@dataclass(slots=True)
class Shaken:
    """A market behind a faulty endpoint."""

    market: Market
    rpc: FaultyRpc
    stall: Stall
    trouble: str = ""
    """The last error of a cycle."""

    def chain(self, method: str, *params: Any) -> Any:
        """Asks the chain itself."""
        answer = self.rpc.forward(method, *params)
        assert "error" not in answer, answer
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        self.chain("anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:  # as anvil names it
        self.chain("evm_setAutomine", on)

    def take_nonce(self, nonce: int) -> None:
        """Another program sends a transaction with the operator's key and this nonce, for a higher fee."""
        key = PrivateKey(self.stall.operator.secret)
        call = Call(key.address, b"")
        foreign = Transaction(CHAIN_ID, nonce, call.to, call.data, 30_000, 900 * 10**9, 800 * 10**9)
        self.chain("eth_sendRawTransaction", "0x" + sign_transaction(foreign, key).raw.hex())

    async def try_to_settle(self, rounds: int = 1) -> None:
        """Follows the chain and settles, whatever comes of it."""
        for _ in range(rounds):
            with suppress(ChainError, SettlementError):
                await self.market.settlement.tick()
            try:
                await self.market.settlement.cycle.run(self.market.now, force=True)
            except (ChainError, SettlementError) as error:
                self.trouble = repr(error)

    async def settle(self) -> None:
        """Settles until everything is final and active. Fails if that does not come about."""
        self.automine(True)
        settlement, deadline = self.market.settlement, time.monotonic() + _LONGEST_S
        while time.monotonic() < deadline:
            self.mine()
            await self.try_to_settle()
            await settlement.book.refresh()  # a cycle that could not read the chain has not read the receipts
            progress, book = settlement.progress, settlement.book
            if progress.active_epoch < progress.last_epoch:
                self.market.town.pass_time(6)  # the window
            done = progress.active_epoch == len(book.batches) and not book.unbatched.count
            if done and not await settlement.outbox.unfinished():
                return
            await asyncio.sleep(0.05)
        report = await self.market.settlement.report()
        raise AssertionError(f"nothing leads out of this state: {report['transactions']} {self.trouble}")

    async def check(self) -> None:
        """Nothing is lost and nothing paid twice: receipts = posted = credited = claimed, once each."""
        market, settlement = self.market, self.market.settlement
        total = market.charged_before + sum(issued.receipt.fee for issued in market.served)
        deployment, web3 = market.town.chain.deployment, market.town.web3
        on_chain = contract(web3, "Settlement", deployment.settlement)
        last, active, _, _, last_total, active_total, _ = on_chain.functions.ledger(self.stall.addresses.node).call()
        assert settlement.book.latest.cum_total == last_total == active_total == total
        assert on_chain.functions.credited(self.stall.addresses.node).call() == total
        escrow = contract(web3, "ChannelEscrow", ESCROW)
        assert escrow.functions.channels(market.payer.channel_id).call()[1] == total
        events = [one.event for one in settlement.follower.events]
        assert last == active == sum(isinstance(event, BatchPosted) for event in events)
        assert sum(event.amount for event in events if isinstance(event, Credited)) == total
        assert settlement.progress.credited == total


@asynccontextmanager
async def shaken(
    town: Town, home: Path, stall: Stall | None = None, timeout_s: float = PATIENT_S
) -> AsyncIterator[Shaken]:
    """A node of its own with a funded channel; with the stall of an earlier one, that node after a restart."""
    rpc = FaultyRpc(town.chain.rpc_url)
    try:
        rpc.forward("evm_setAutomine", True)
        mine = stall or new_stall(town)
        client = await RpcClient.connect(rpc.url, CHAIN_ID, timeout_s)
        async with open_market(town, home, mine, POLICY, client) as market:  # type: ignore[arg-type]  # not troubled
            made = Shaken(market, rpc, mine)
            if stall is None:
                made.mine(CONFIRMATIONS)  # sells only under final registrations
                await market.settlement.tick()
                await fund(market)
                made.mine(CONFIRMATIONS)
                await market.settlement.tick()
            yield made
    finally:
        rpc.forward("evm_setAutomine", True)
        rpc.close()
