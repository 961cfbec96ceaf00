"""Registers a development node and its assets: vault, stake, prices, Datanet versions, adapters and terms.

Every step first reads the chain and is signed by the account it belongs to. An interrupted seeding therefore continues
where it stopped, and a finished one sends nothing. A later change (a retrained adapter, another price) becomes a new
version, or a successor after the notice period.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from web3 import Web3
from web3.contract import Contract

from attribution.datanets import Contributors
from attribution.manifest import AdapterManifest
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, address_bytes, keccak, to_address
from contracts.encoding import adapter_commitment, adapter_key
from contracts.structs import DatanetLink, PriceList, Terms
from local_chain.deployment import Deployment
from local_chain.transactor import Transactor, connect, contract
from node.dev.assets import SeedAdapter, SeedDatanet
from node.home.dev_accounts import dev_account
from node.readiness import Progress

OPEN = 10**18
STAKE = 100_000 * OPEN
"""Covers 100,000 OPEN of receipted and unclaimed fees: 12.5 billion output tokens at the prices below."""
VAULT_INDEX = 0
_END_OF_TIME = 2**64 - 1
_FIRST_BLOCK = 0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class DevPrices:
    """OPEN base units per million tokens. min_fee: the least fee of a request."""

    prompt_per_m: int = 2 * OPEN
    cached_per_m: int = 1 * OPEN
    output_per_m: int = 8 * OPEN
    min_fee: int = 10**13


@dataclass(frozen=True, slots=True)
class SeededDatanet:
    """A published Datanet version and its contributors."""

    name: str
    datanet_id: Bytes32
    version: int
    contributors: Contributors


@dataclass(frozen=True, slots=True)
class SeededAdapter:
    """A published adapter version with terms."""

    name: str
    adapter_key: Bytes32
    terms_hash: Bytes32


@dataclass(frozen=True, slots=True)
class Seeded:
    """What is registered on the chain. node: the address of the node's vault."""

    node: Address
    price_hash: Bytes32
    datanets: tuple[SeededDatanet, ...]
    adapters: tuple[SeededAdapter, ...]


def seed(
    rpc_url: str,
    deployment: Deployment,
    *,
    base_digest: Bytes32,
    adapters: Sequence[SeedAdapter],
    datanets: Sequence[SeedDatanet],
    prices: DevPrices = DevPrices(),
    progress: Progress = lambda step, part: None,
) -> Seeded:
    """Registers what is missing. Blocks. Raises LocalChainError."""
    chain = _Chain(connect(rpc_url), deployment)
    key = dev_account("operator")
    assert key is not None, "it is one of the named accounts"
    operator = Transactor(chain.web3, key)
    total = 2 + len(datanets) + len(adapters)
    progress("Registering the node", 0.0)
    node = _node(chain, operator)
    progress("Registering prices", 1 / total)
    price_hash = _prices(chain, operator, node, prices)
    published: dict[str, SeededDatanet] = {}
    for done, datanet in enumerate(datanets, start=2):
        progress(f"Publishing Datanet {datanet.name}", done / total)
        published[datanet.name] = _datanet(chain, datanet)
    registered: list[SeededAdapter] = []
    for done, adapter in enumerate(adapters, start=2 + len(datanets)):
        progress(f"Publishing adapter {adapter.name}", done / total)
        registered.append(_adapter(chain, adapter, base_digest, published))
    progress("Registered", 1.0)
    return Seeded(node, price_hash, tuple(published.values()), tuple(registered))


@dataclass(frozen=True, slots=True)
class _Chain:
    """The contracts that the seeding calls."""

    web3: Web3
    deployment: Deployment

    def token(self) -> Contract:
        return contract(self.web3, "OpenToken", self.deployment.open_token)

    def nodes(self) -> Contract:
        return contract(self.web3, "NodeRegistry", self.deployment.node_registry)

    def assets(self) -> Contract:
        return contract(self.web3, "AssetRegistry", self.deployment.asset_registry)

    def settlement(self) -> Contract:
        return contract(self.web3, "Settlement", self.deployment.settlement)

    def by(self, key: PrivateKey) -> Transactor:
        return Transactor(self.web3, key)


def _node(chain: _Chain, operator: Transactor) -> Address:
    """Registers the operator's vault for OPEN and stakes for it."""
    nodes, token = chain.nodes(), chain.token()
    node = to_address(nodes.functions.vaultOf(operator.address, token.address, VAULT_INDEX).call())
    if not nodes.functions.isNode(node).call():
        operator.call(nodes, "register", token.address, VAULT_INDEX, operator.address, "")
    bonded, _, _ = nodes.functions.stakeOf(node).call()
    if bonded < STAKE:
        missing = STAKE - bonded
        if token.functions.allowance(operator.address, nodes.address).call() < missing:
            operator.call(token, "approve", nodes.address, missing)
        operator.call(nodes, "stake", node, missing)
    return node


def _prices(chain: _Chain, operator: Transactor, node: Address, prices: DevPrices) -> Bytes32:
    """Registers the node's default price list; a changed one is in force after the notice period."""
    wanted = PriceList(
        node=node,
        adapter_key=ZERO_BYTES32,
        prompt_per_m=prices.prompt_per_m,
        cached_per_m=prices.cached_per_m,
        output_per_m=prices.output_per_m,
        min_fee=prices.min_fee,
        operator_payee=operator.address,
        treasury_ppm=chain.settlement().functions.treasuryPpm().call(),
    )
    price_hash = wanted.struct_hash()
    if chain.nodes().functions.priceHashAt(node, ZERO_BYTES32, _END_OF_TIME).call() != price_hash:
        amounts = (wanted.prompt_per_m, wanted.cached_per_m, wanted.output_per_m, wanted.min_fee)
        operator.call(chain.nodes(), "registerPriceList", node, ZERO_BYTES32, *amounts, operator.address, 0)
    return price_hash


def _datanet(chain: _Chain, datanet: SeedDatanet) -> SeededDatanet:
    assets, steward = chain.assets(), chain.by(datanet.steward)
    salt = keccak(datanet.name.encode())
    datanet_id = _asset_id(steward.address, salt)
    if int(assets.functions.stewardOf(datanet_id).call(), 16) == 0:
        steward.call(assets, "createDatanet", salt, f"starter:{datanet.name}")
    members = datanet.contributors
    wanted = (datanet.content_root, members.root, members.total_weight, len(members.members))
    latest: int = assets.functions.latestDatanetVersion(datanet_id).call()
    for version in range(latest, 0, -1):
        if tuple(assets.functions.datanetVersion(datanet_id, version).call()[:4]) == wanted:
            return SeededDatanet(datanet.name, datanet_id, version, members)
    steward.call(assets, "publishDatanetVersion", datanet_id, *wanted)
    return SeededDatanet(datanet.name, datanet_id, latest + 1, members)


def _adapter(
    chain: _Chain, adapter: SeedAdapter, base_digest: Bytes32, published: dict[str, SeededDatanet]
) -> SeededAdapter:
    owner = chain.by(adapter.owner)
    key = _adapter_version(chain, owner, adapter, base_digest)
    sources = sorted(
        (DatanetLink(published[name].datanet_id, published[name].version, ppm) for name, ppm in adapter.datanets),
        key=lambda link: (link.datanet_id, link.version),
    )
    links = tuple(sources)
    manifest = AdapterManifest(base_digest, adapter.digest, owner.address, adapter.evidence_ppm, datanets=links)
    terms = Terms(
        adapter_key=key,
        owner=owner.address,
        royalty_ppm=adapter.royalty_ppm,
        data_ppm=adapter.data_ppm,
        evidence_ppm=adapter.evidence_ppm,
        manifest_digest=manifest.struct_hash(),
        datanets=links,
    )
    terms_hash = terms.struct_hash()
    if chain.assets().functions.termsHashAt(key, _END_OF_TIME).call() != terms_hash:
        owner.call(chain.assets(), "registerTerms", terms.abi_tuple(), 0)
    return SeededAdapter(adapter.name, key, terms_hash)


def _adapter_version(chain: _Chain, owner: Transactor, adapter: SeedAdapter, base_digest: Bytes32) -> Bytes32:
    """The key of this adapter version, published if needed. The registry lists no versions, so events are read."""
    assets, salt = chain.assets(), keccak(adapter.name.encode())
    adapter_id = _asset_id(owner.address, salt)
    if int(assets.functions.ownerOf(adapter_id).call(), 16) == 0:
        owner.call(assets, "createAdapter", salt, f"starter:{adapter.name}")
    published = assets.events.AdapterVersionPublished().get_logs(
        from_block=_FIRST_BLOCK, argument_filters={"adapterId": adapter_id}
    )
    keys = {Bytes32(bytes(event["args"]["adapterKey"])) for event in published}
    for version in range(1, len(keys) + 1):
        key = adapter_key(adapter_id, version, adapter.digest, base_digest)
        if key in keys:
            return key
    _commit(chain, owner, adapter_commitment(adapter_id, adapter.digest, base_digest, salt))
    owner.call(assets, "publishAdapterVersion", adapter_id, adapter.digest, base_digest, salt)
    return adapter_key(adapter_id, len(keys) + 1, adapter.digest, base_digest)


def _commit(chain: _Chain, owner: Transactor, commitment: Bytes32) -> None:
    """Announces an adapter version, and waits until it can be published."""
    assets = chain.assets()
    if assets.functions.committedAt(commitment).call() == 0:
        owner.call(assets, "commitAdapterVersion", commitment)
    ready_at = assets.functions.committedAt(commitment).call() + assets.functions.revealDelay().call()
    while chain.web3.eth.get_block("latest")["timestamp"] < ready_at:
        time.sleep(max(_POLL_S, ready_at - time.time()))
        owner.pay(owner.address, 0)  # mines a block: a chain may simulate with the time of its newest block


def _asset_id(creator: Address, salt: Bytes32) -> Bytes32:
    """keccak256(abi.encode(creator, salt)). The creator is part of the id, so nobody else can register it first."""
    return keccak(bytes(12) + address_bytes(creator) + salt)
