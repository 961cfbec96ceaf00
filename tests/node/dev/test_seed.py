"""Seeding a development chain: complete, exactly once, and resumable at any transaction."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3
from web3.contract import Contract
from web3.types import TxReceipt

from attribution.datanets import canonical_tokens
from contracts.crypto import ZERO_BYTES32, Bytes32, keccak
from contracts.structs import PriceList, Terms
from local_chain.accounts import dev_accounts
from local_chain.client import RpcClient
from local_chain.deploy import deploy
from local_chain.deployment import Deployment
from local_chain.embedded import DATABASE_NAME, PyevmBackend
from local_chain.errors import TransactionFailed
from local_chain.transactor import Transactor, connect, contract
from node.dev.assets import SeedAdapter, SeedDatanet, starter_adapters, starter_datanets
from node.dev.seed import STAKE, DevPrices, Seeded, seed
from node.dev.starter import pack

PACK = pack()
BASE = keccak(b"base")
DIGESTS = {adapter.name: keccak(adapter.name.encode()) for adapter in PACK.adapters}
DATANETS = starter_datanets(PACK, dev_accounts())
PRICES = DevPrices()
ADAPTERS = starter_adapters(PACK, dev_accounts(), DIGESTS)


class Interrupted(Exception):
    """What cuts a seeding off in these tests."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a stopped chain on which the contracts are deployed and nothing else has happened."""
    backend = PyevmBackend(tmp_path_factory.mktemp("deployed"))
    backend.start(0)
    deploy(backend.rpc_url)
    backend.stop()
    return backend.home / DATABASE_NAME


@pytest.fixture
def chain(deployed: Path, tmp_path: Path) -> Iterator[tuple[str, Deployment]]:
    """A chain of its own for each test, which starts from a copy of the deployed one."""
    shutil.copy(deployed, tmp_path / DATABASE_NAME)
    backend = PyevmBackend(tmp_path)
    backend.start(0)
    yield backend.rpc_url, deploy(backend.rpc_url)
    backend.stop()


def seeded(
    chain: tuple[str, Deployment],
    adapters: Sequence[SeedAdapter] = ADAPTERS,
    datanets: Sequence[SeedDatanet] = DATANETS,
    prices: DevPrices = PRICES,
) -> Seeded:
    rpc_url, deployment = chain
    return seed(rpc_url, deployment, base_digest=BASE, adapters=adapters, datanets=datanets, prices=prices)


def transactions(web3: Web3) -> list[int]:
    return [web3.eth.get_transaction_count(key.address) for key in dev_accounts()]


def test_the_operators_vault_is_registered_staked_and_priced(chain: tuple[str, Deployment]) -> None:
    result = seeded(chain)

    web3, operator = connect(chain[0]), dev_accounts()[1]
    nodes = contract(web3, "NodeRegistry", chain[1].node_registry).functions
    assert nodes.vaultOf(operator.address, chain[1].open_token, 0).call() == result.node
    assert nodes.operatorOf(result.node).call() == nodes.ownerOf(result.node).call() == operator.address
    assert nodes.stakeOf(result.node).call()[0] == STAKE
    now = web3.eth.get_block("latest")["timestamp"]
    assert nodes.priceHashAt(result.node, ZERO_BYTES32, now).call() == result.price_hash
    listed = PriceList.from_abi(nodes.priceList(result.price_hash).call())
    assert (listed.prompt_per_m, listed.cached_per_m, listed.output_per_m) == (2 * 10**18, 10**18, 8 * 10**18)
    assert (listed.min_fee, listed.treasury_ppm, listed.operator_payee) == (10**13, 100_000, operator.address)


def test_every_adapter_has_terms_that_lead_to_its_contributors(chain: tuple[str, Deployment]) -> None:
    result = seeded(chain)

    web3 = connect(chain[0])
    assets = contract(web3, "AssetRegistry", chain[1].asset_registry).functions
    now = web3.eth.get_block("latest")["timestamp"]
    for adapter, given in zip(result.adapters, ADAPTERS, strict=True):
        assert assets.adapterVersion(adapter.adapter_key).call()[2:4] == (given.digest, BASE)
        assert assets.termsHashAt(adapter.adapter_key, now).call() == adapter.terms_hash
        terms = Terms.from_abi(assets.terms(adapter.terms_hash).call())
        assert terms.struct_hash() == adapter.terms_hash
        assert terms.owner == given.owner.address
        (link,) = terms.datanets
        (datanet,) = (one for one in result.datanets if one.datanet_id == link.datanet_id)
        version = assets.datanetVersion(link.datanet_id, link.version).call()
        assert datanet.name == given.datanets[0][0]
        assert version[1:4] == (datanet.contributors.root, datanet.contributors.total_weight, 4)


def test_seeding_again_sends_nothing(chain: tuple[str, Deployment]) -> None:
    first = seeded(chain)
    head = RpcClient(chain[0]).head()

    assert seeded(chain) == first

    assert RpcClient(chain[0]).head() == head


def test_the_reveal_delay_passes_once_for_all_adapters(chain: tuple[str, Deployment]) -> None:
    result = seeded(chain)

    assets = contract(connect(chain[0]), "AssetRegistry", chain[1].asset_registry)
    committed = [event["blockNumber"] for event in assets.events.AdapterVersionCommitted().get_logs(from_block=0)]
    published = [event["blockNumber"] for event in assets.events.AdapterVersionPublished().get_logs(from_block=0)]
    assert len(committed) == len(published) == len(result.adapters)
    assert max(committed) < min(published)


def test_a_seeding_cut_off_after_any_transaction_ends_as_if_it_never_was(
    chain: tuple[str, Deployment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, allowed = Transactor.call, [0]

    def call_once(self: Transactor, bound: Contract, function: str, *arguments: Any) -> TxReceipt:
        if allowed[0] == 0:
            raise Interrupted
        allowed[0] -= 1
        return call(self, bound, function, *arguments)

    monkeypatch.setattr(Transactor, "call", call_once)
    interruptions = 0
    while True:
        allowed[0] = 1
        try:
            result = seeded(chain)
            break
        except Interrupted:
            interruptions += 1
    monkeypatch.undo()

    backend = PyevmBackend(tmp_path / "straight")
    backend.home.mkdir()
    backend.start(0)
    straight = (backend.rpc_url, deploy(backend.rpc_url))
    assert seeded(straight) == result
    assert transactions(connect(straight[0])) == transactions(connect(chain[0]))
    assert interruptions >= 18
    backend.stop()


def test_a_retrained_adapter_becomes_a_new_version_with_terms_at_once(chain: tuple[str, Deployment]) -> None:
    before = seeded(chain)
    retrained = [replace(ADAPTERS[0], digest=keccak(b"retrained")), *ADAPTERS[1:]]

    after = seeded(chain, retrained)

    assets = contract(connect(chain[0]), "AssetRegistry", chain[1].asset_registry).functions
    assert after.adapters[1:] == before.adapters[1:]
    assert assets.adapterVersion(after.adapters[0].adapter_key).call()[1] == 2
    now = connect(chain[0]).eth.get_block("latest")["timestamp"]
    assert assets.termsHashAt(after.adapters[0].adapter_key, now).call() == after.adapters[0].terms_hash
    assert seeded(chain) == before


def test_a_grown_datanet_becomes_a_new_version_and_its_terms_follow_after_notice(chain: tuple[str, Deployment]) -> None:
    before = seeded(chain)
    grown = [replace(DATANETS[0], content_root=Bytes32(keccak(b"more"))), *DATANETS[1:]]

    after = seeded(chain, datanets=grown)

    web3 = connect(chain[0])
    assets = contract(web3, "AssetRegistry", chain[1].asset_registry).functions
    now, key = web3.eth.get_block("latest")["timestamp"], after.adapters[0].adapter_key
    assert after.datanets[0].version == 2
    assert key == before.adapters[0].adapter_key
    assert assets.termsHashAt(key, now).call() == before.adapters[0].terms_hash
    assert assets.termsHashAt(key, now + 60).call() == after.adapters[0].terms_hash
    head = RpcClient(chain[0]).head()
    assert seeded(chain, datanets=grown) == after
    assert RpcClient(chain[0]).head() == head


def test_changed_prices_follow_after_notice(chain: tuple[str, Deployment]) -> None:
    before = seeded(chain)

    after = seeded(chain, prices=DevPrices(output_per_m=9 * 10**18))

    web3 = connect(chain[0])
    nodes = contract(web3, "NodeRegistry", chain[1].node_registry).functions
    now = web3.eth.get_block("latest")["timestamp"]
    assert nodes.priceHashAt(after.node, ZERO_BYTES32, now).call() == before.price_hash
    assert nodes.priceHashAt(after.node, ZERO_BYTES32, now + 60).call() == after.price_hash


def test_terms_that_take_more_than_a_fee_are_refused_with_the_contracts_error(chain: tuple[str, Deployment]) -> None:
    greedy = [replace(ADAPTERS[0], royalty_ppm=900_000)]

    with pytest.raises(TransactionFailed, match=r"FeePartsTooHigh\(900000, \d+, 800000\)"):
        seeded(chain, greedy)


def test_progress_names_each_step_and_ends_complete(chain: tuple[str, Deployment]) -> None:
    seen: list[tuple[str, float]] = []

    seed(
        chain[0],
        chain[1],
        base_digest=BASE,
        adapters=ADAPTERS,
        datanets=DATANETS,
        progress=lambda step, part: seen.append((step, part)),
    )

    parts = [part for _, part in seen]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0
    assert any("cardiology" in step for step, _ in seen)


def test_the_starter_weights_are_the_canonical_tokens_of_each_contributors_documents() -> None:
    for datanet, seeded_datanet in zip(PACK.datanets, DATANETS, strict=True):
        for position, member in enumerate(datanet.contributors):
            texts = [document.text for document in datanet.documents if document.contributor == position]
            address = dev_accounts()[member.account_index].address

            assert seeded_datanet.contributors.weight_of(address) == sum(map(canonical_tokens, texts))
