"""Registrations: the windows are those of the registries, and the first publisher of an adapter counts."""

from dataclasses import replace

import pytest

from contracts.crypto import ZERO_BYTES32, Bytes32, PrivateKey, keccak, to_address
from contracts.encoding import adapter_key
from contracts.structs import PriceList, Terms
from node.chain.follower import ChainFollower, WatchedContracts
from node.chain.memory import Emitted, MemoryChain
from node.chain.registrations import ChainRegistrations
from node.chain.transactions import Transaction, sign_transaction
from node.store.database import Database
from tests.attribution.ledgers import ADAPTERS, price_list, terms
from tests.node.chain.emitters import emit

NODES, ASSETS = to_address("0x" + "11" * 20), to_address("0x" + "22" * 20)
NODE, OTHER = to_address("0x" + "aa" * 20), to_address("0x" + "bb" * 20)
BASE, DIGEST = keccak(b"base"), keccak(b"weights")
SENDER = PrivateKey(keccak(b"sender"))


class Registry(MemoryChain):
    """A chain whose next transaction emits what it is given."""

    async def emit(self, *emitted: Emitted) -> None:
        self.contracts = {NODES: lambda sender, data: emitted}
        nonce = await self.nonce(SENDER.address)
        await self.send_raw(sign_transaction(Transaction(31337, nonce, NODES, b"", 50_000, 20, 1), SENDER).raw)

    async def register_price(self, wanted: PriceList, start: int) -> None:
        values = {"node": wanted.node, "adapterKey": wanted.adapter_key, "priceHash": wanted.struct_hash()}
        await self.emit(
            emit("NodeRegistry", NODES, "PriceListRegistered", **values, list=wanted.abi_tuple(), **{"from": start})
        )

    async def register_terms(self, wanted: Terms, start: int) -> None:
        values = {"adapterKey": wanted.adapter_key, "termsHash": wanted.struct_hash(), "terms": wanted.abi_tuple()}
        await self.emit(emit("AssetRegistry", ASSETS, "TermsRegistered", **values, **{"from": start}))

    async def publish(self, adapter_id: Bytes32, base: Bytes32 = BASE) -> Bytes32:
        key = adapter_key(adapter_id, 1, DIGEST, base)
        value = (adapter_id, 1, DIGEST, base, 1_000)
        emitted = emit(
            "AssetRegistry", ASSETS, "AdapterVersionPublished", adapterId=adapter_id, adapterKey=key, value=value
        )
        await self.emit(emitted)
        return key


WATCHED = WatchedContracts({NODES: "NodeRegistry", ASSETS: "AssetRegistry"}, NODE)


async def registrations(database: Database, chain: MemoryChain) -> ChainRegistrations:
    return ChainRegistrations(await ChainFollower.open(database, chain, WATCHED), NODE, BASE)


@pytest.fixture
def chain() -> Registry:
    return Registry()


async def test_a_price_list_holds_until_its_successor_starts(chain: Registry, database: Database) -> None:
    first, second = price_list(NODE), PriceList(NODE, ZERO_BYTES32, 1, 1, 1, 1, OTHER, 100_000)
    await chain.register_price(first, 100)
    await chain.register_price(second, 200)

    view = await registrations(database, chain)

    held = {at: view.price_list_at(ADAPTERS[0], at) for at in (99, 100, 199, 200, 10**9)}
    assert held[99] is None
    assert held[100] is not None
    assert held[100].value == first
    assert (held[100].from_, held[100].until) == (100, 200)
    assert held[199] == held[100]
    assert held[200] is not None
    assert held[200].value == second
    assert held[200].until is None
    assert held[10**9] == held[200]


async def test_an_adapter_s_own_price_list_goes_before_the_default(chain: Registry, database: Database) -> None:
    own = PriceList(NODE, ADAPTERS[0], 9, 9, 9, 9, OTHER, 100_000)
    await chain.register_price(price_list(NODE), 100)
    await chain.register_price(own, 150)

    view = await registrations(database, chain)

    found = [view.price_list_at(ADAPTERS[0], at) for at in (120, 150)]
    assert [one.value for one in found if one is not None] == [price_list(NODE), own]
    default = view.price_list_at(ADAPTERS[1], 150)
    assert default is not None
    assert default.value == price_list(NODE)


async def test_prices_of_other_nodes_are_not_ours(chain: Registry, database: Database) -> None:
    await chain.register_price(price_list(OTHER), 100)

    assert (await registrations(database, chain)).price_list_at(ZERO_BYTES32, 500) is None


async def test_terms_start_with_their_window_and_never_hold_for_the_base(chain: Registry, database: Database) -> None:
    await chain.register_terms(terms(0), 100)

    view = await registrations(database, chain)

    held = view.terms_at(ADAPTERS[0], 100)
    assert held is not None
    assert held.value == terms(0)
    assert view.terms_from(ADAPTERS[0]) == 100
    assert view.terms_at(ADAPTERS[0], 99) is None
    assert view.terms_at(ZERO_BYTES32, 500) is None
    assert view.terms_from(ADAPTERS[1]) is None


async def test_the_first_publisher_of_an_adapter_counts(chain: Registry, database: Database) -> None:
    unpublished = (await registrations(database, chain)).adapter_key_of(DIGEST.hex())
    await chain.publish(keccak(b"for another base"), base=keccak(b"another base"))
    first = await chain.publish(keccak(b"author"))
    later = await chain.publish(keccak(b"thief"))
    await chain.register_terms(replace(terms(0), adapter_key=later), 100)
    await chain.register_terms(replace(terms(0), adapter_key=first), 100)

    view = await registrations(database, chain)

    assert view.adapter_key_of(DIGEST.hex()) == first != unpublished
    assert unpublished == adapter_key(ZERO_BYTES32, 0, DIGEST, BASE)
    published = view.adapter(first)
    assert published is not None
    assert published.adapter_id == keccak(b"author")


async def test_a_publication_counts_once_it_has_terms(chain: Registry, database: Database) -> None:
    key = await chain.publish(keccak(b"author"))
    before = (await registrations(database, chain)).adapter_key_of(DIGEST.hex())
    await chain.register_terms(replace(terms(0), adapter_key=key), 100)

    after = (await registrations(database, chain)).adapter_key_of(DIGEST.hex())

    assert before == adapter_key(ZERO_BYTES32, 0, DIGEST, BASE)
    assert after == key


async def test_registrations_are_taken_over_only_by_a_refresh(chain: Registry, database: Database) -> None:
    follower = await ChainFollower.open(database, chain, WATCHED)
    view = ChainRegistrations(follower, NODE, BASE)
    await chain.register_price(price_list(NODE), 100)
    await follower.poll()

    before = view.price_list_at(ZERO_BYTES32, 500)
    view.refresh()

    assert before is None
    assert view.price_list_at(ZERO_BYTES32, 500) is not None
    assert view.head_time() == (await chain.head()).timestamp


async def test_the_operator_is_the_one_of_the_moment(chain: Registry, database: Database) -> None:
    for start, operator in ((100, OTHER), (200, NODE)):
        await chain.emit(
            emit("NodeRegistry", NODES, "OperatorRotated", node=NODE, operator=operator, **{"from": start})
        )

    view = await registrations(database, chain)

    assert [view.operator_at(at) for at in (99, 100, 199, 200)] == [None, OTHER, OTHER, NODE]


async def test_the_first_operator_is_the_one_that_the_node_was_registered_with(
    chain: Registry, database: Database
) -> None:
    await chain.emit(
        emit(
            "NodeRegistry",
            NODES,
            "NodeRegistered",
            node=NODE,
            owner=OTHER,
            token=OTHER,
            index=0,
            operator=OTHER,
            uri="",
        )
    )
    await chain.emit(emit("NodeRegistry", NODES, "OperatorRotated", node=NODE, operator=NODE, **{"from": 200}))

    view = await registrations(database, chain)

    assert [(window.value, window.from_, window.until) for window in view.operators()] == [
        (OTHER, 0, 200),
        (NODE, 200, None),
    ]


async def test_a_node_that_the_chain_does_not_know_has_no_operators(chain: Registry, database: Database) -> None:
    assert list((await registrations(database, chain)).operators()) == []
