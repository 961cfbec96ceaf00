"""A paid node on a real chain: real contracts, real payments, real metering; only the inference is left out."""

import itertools
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from web3 import Web3

from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, keccak, to_address
from contracts.payment import payment_payload
from local_chain.accounts import dev_accounts
from local_chain.backend import Engine
from local_chain.deploy import DevParameters
from local_chain.launcher import RunningChain, start_chain
from local_chain.transactor import Transactor, connect, contract
from node.chain.contracts import TokenContract
from node.chain.errors import ChainUnavailable
from node.chain.rpc import RpcClient
from node.dev.assets import starter_adapters, starter_datanets
from node.dev.seed import OPEN, Seeded, seed
from node.dev.starter import pack
from node.metering.issued import IssuedReceipt
from node.metering.metering import Metering
from node.payments.payments import Payments
from node.payments.receiver import Receiver
from node.payments.wire import requirements
from node.settlement.datanets import DatanetFiles
from node.settlement.outbox import OutboxPolicy
from node.settlement.settlement import ContractAddresses, Settlement, SettlementPolicy
from node.store.database import Database
from node.store.ledger_opening import open_ledger
from node.store.meta import ChainPin
from serving.types import Outcome
from tests.node.payments.payer import BODY, PATH, Payer
from tests.node.payments.shop import ended

CHAIN_ID = 31337


class TroubledClient(RpcClient):
    """A client whose endpoint does not answer the JSON-RPC methods in `failing`."""

    failing: Collection[str] = ()

    async def _ask(self, method: str, *params: object) -> object:
        if method in self.failing:
            raise ChainUnavailable("test", f"{method} is not answered")
        return await super()._ask(method, *params)


BASE = keccak(b"base weights")
DEPOSIT = 10 * OPEN
_fresh = itertools.count(int(time.time()) << 20)


@dataclass(frozen=True, slots=True)
class Town:
    """A running chain with the starter pack registered."""

    chain: RunningChain
    seeded: Seeded
    digests: dict[str, Bytes32]

    @property
    def web3(self) -> Web3:
        return connect(self.chain.rpc_url)

    def pass_time(self, seconds: int) -> None:
        for method, params in (("evm_increaseTime", [seconds]), ("evm_mine", [])):
            self.web3.provider.make_request(method, params)  # type: ignore[arg-type]  # not among web3's names


@contextmanager
def running_town(home: Path, engine: Engine = "pyevm", parameters: DevParameters | None = None) -> Iterator[Town]:
    chain = start_chain(home, engine, parameters=parameters)
    try:
        yield seeded_town(chain)
    finally:
        chain.stop()


def seeded_town(chain: RunningChain) -> Town:
    """Registers the starter pack on a running chain."""
    starter, accounts = pack(), dev_accounts()
    digests = {adapter.name: keccak(adapter.name.encode()) for adapter in starter.adapters}
    adapters, datanets = starter_adapters(starter, accounts, digests), starter_datanets(starter, accounts)
    seeded = seed(chain.rpc_url, chain.deployment, base_digest=BASE, adapters=adapters, datanets=datanets)
    return Town(chain, seeded, digests)


@dataclass(slots=True)
class Market:
    """One vault of its own, a payer with a funded channel, and the node's money side over one database."""

    town: Town
    client: TroubledClient
    database: Database
    settlement: Settlement
    payments: Payments
    metering: Metering
    payer: Payer
    operator: PrivateKey
    served: list[IssuedReceipt] = field(default_factory=list)
    charged_before: int = 0  # in earlier lives of this node
    lead_s: int = 0  # how far the node's clock is ahead

    @property
    def now(self) -> int:
        return max(int(time.time()) + self.lead_s, self.settlement.follower.head.timestamp)

    async def serve(self, adapter: str | None = "dermatology", output_tokens: int = 80) -> IssuedReceipt:
        """One paid request, from signature to stored receipt."""
        key = ZERO_BYTES32 if adapter is None else self.settlement.registrations.adapter_key_of(self._digest(adapter))
        quote = self.payments.quote(key, 10, output_tokens, self.now)
        request = self.payer.request(
            max_fee=quote.max_fee,
            price_hash=quote.price_hash,
            adapter_key=key,
            deadline=self.now + 120,
            nonce=next(_fresh),
        )
        charged = self.charged_before + sum(one.receipt.fee for one in self.served)
        headers = self.payer.headers(request, self.payer.voucher(charged + quote.max_fee))
        ask = self.payments.authenticate(headers, "POST", PATH, BODY, self.now)
        admission = await self.payments.admit(
            ask,
            request_id=f"request {request.nonce}",
            adapter_key=key,
            prompt_tokens=10,
            max_new_tokens=output_tokens,
            now=self.now,
        )
        end = ended(Outcome.FINISHED, output_tokens=output_tokens)
        issued = await self.metering.record(admission, end, prompt=b"prompt", output=b"output", now=self.now)
        self.served.append(issued)
        return issued

    async def balance(self, key: PrivateKey) -> int:
        token = TokenContract(self.client, self.town.chain.deployment.open_token)
        return await token.balance_of(key.address)

    def _digest(self, adapter: str) -> str:
        return self.town.digests[adapter].hex()


@dataclass(frozen=True, slots=True)
class Stall:
    """A vault with its operator, and a payer who holds tokens."""

    addresses: ContractAddresses
    operator: PrivateKey
    payer: PrivateKey


def bond(town: Town, node: Address, stake: int) -> None:
    """Stakes tokens of a rich account for a node."""
    rich, deployment = Transactor(town.web3, dev_accounts()[2]), town.chain.deployment
    rich.call(contract(town.web3, "OpenToken", deployment.open_token), "approve", deployment.node_registry, stake)
    rich.call(contract(town.web3, "NodeRegistry", deployment.node_registry), "stake", node, stake)


def new_stall(town: Town, stake: int = 1_000 * OPEN) -> Stall:
    """Registers a staked vault and prices for a new operator, and gives a new payer tokens."""
    operator, payer = PrivateKey.generate(), PrivateKey.generate()
    deployment, web3 = town.chain.deployment, town.web3
    rich = Transactor(web3, dev_accounts()[2])
    rich.pay(operator.address, OPEN)
    rich.call(contract(web3, "OpenToken", deployment.open_token), "transfer", payer.address, 2 * DEPOSIT)
    mine, nodes = Transactor(web3, operator), contract(web3, "NodeRegistry", deployment.node_registry)
    mine.call(nodes, "register", deployment.open_token, 0, operator.address, "")
    node = to_address(nodes.functions.vaultOf(operator.address, deployment.open_token, 0).call())
    bond(town, node, stake)
    prices = (2 * OPEN, OPEN, 8 * OPEN, 10**13)
    mine.call(nodes, "registerPriceList", node, ZERO_BYTES32, *prices, operator.address, 0)
    addresses = ContractAddresses(
        node,
        deployment.open_token,
        deployment.settlement,
        deployment.node_registry,
        deployment.asset_registry,
        deployment.challenges,
    )
    return Stall(addresses, operator, payer)


@asynccontextmanager
async def open_market(
    town: Town, home: Path, stall: Stall, policy: SettlementPolicy | None = None, client: TroubledClient | None = None
) -> AsyncIterator[Market]:
    """The node over `home`; the same home again is the same node after a restart."""
    client = client or await TroubledClient.connect(town.chain.rpc_url, CHAIN_ID)
    addresses, operator, payer = stall.addresses, stall.operator, stall.payer
    deployment = town.chain.deployment
    genesis = Bytes32(bytes.fromhex(deployment.genesis_hash.removeprefix("0x")))
    pin = ChainPin(CHAIN_ID, genesis, deployment.settlement)
    database = await Database.open(f"sqlite:///{home}/node.db", pin)
    await open_ledger(database, home, addresses.node)
    files = DatanetFiles(home / "datanets")
    for datanet in town.seeded.datanets:
        files.add(datanet.datanet_id, datanet.version, datanet.contributors)
    settlement = await Settlement.open(
        database=database,
        client=client,
        addresses=addresses,
        signer=operator,
        base_digest=BASE,
        datanets=files,
        clock=lambda: int(time.time()),
        policy=policy or SettlementPolicy(outbox=OutboxPolicy(poll_s=0.02)),
    )
    receiver = Receiver(CHAIN_ID, addresses.settlement, addresses.node, addresses.token, "OPEN", "1", 900, 10**6)
    payments = Payments(database, receiver, settlement.registrations, settlement.escrow)
    metering = Metering(database, receiver, settlement.registrations, operator, sales=payments.sales)
    wallet = Payer(receiver, wallet=payer, session=payer)
    try:
        yield Market(town, client, database, settlement, payments, metering, wallet, operator)
    finally:
        await payments.close()
        await settlement.close()
        await database.close()


async def fund(market: Market) -> None:
    """Opens and funds the payer's channel through the node's relay."""
    deposit = market.payer.deposit(DEPOSIT, salt=next(_fresh), until=market.now + 300)
    document = payment_payload(deposit.to_payload(), requirements(market.payer.receiver, DEPOSIT))
    await market.payments.channels.open(document, market.now)
