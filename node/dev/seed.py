"""Registers a development node and its assets: vault, stake, prices, Datanet versions, adapters and terms.

Every step first reads the chain and is signed by the account it belongs to. An interrupted seeding therefore continues
where it stopped, and a finished one sends nothing. A later change (a retrained adapter, another price) becomes a new
version, or a successor after the notice period.

All adapter versions are committed before the first is published, so that the reveal delay passes once and not for each.
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
from local_chain.client import RpcClient
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
    chain = _Chain(rpc_url, connect(rpc_url), deployment)
    key = dev_account("operator")
    assert key is not None, "it is one of the named accounts"
    operator = Transactor(chain.web3, key)
    total = 2 + len(datanets) + len(adapters)
    progress("Registering the node", 0.0)
    node = _node(chain, operator)
    progress("Registering prices", 1 / total)
    price_hash = _prices(chain, operator, node, prices)
    versions = [_announced(chain, adapter, base_digest) for adapter in adapters]
    published: dict[str, SeededDatanet] = {}
    for done, datanet in enumerate(datanets, start=2):
        progress(f"Publishing Datanet {datanet.name}", done / total)
        published[datanet.name] = _datanet(chain, datanet)
    registered: list[SeededAdapter] = []
    for done, version in enumerate(versions, start=2 + len(datanets)):
        progress(f"Publishing adapter {version.adapter.name}", done / total)
        registered.append(_adapter(chain, version, published))
    progress("Registered", 1.0)
    return Seeded(node, price_hash, tuple(published.values()), tuple(registered))


@dataclass(frozen=True, slots=True)
class _Chain:
    """The contracts that the seeding calls."""

    rpc_url: str
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

    def mine(self) -> None:
        RpcClient(self.rpc_url).call("evm_mine")


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


@dataclass(frozen=True, slots=True)
class _Version:
    """An adapter version that is published, or committed and so published after the reveal delay."""

    adapter: SeedAdapter
    adapter_id: Bytes32
    base_digest: Bytes32
    key: Bytes32
    is_published: bool

    @property
    def salt(self) -> Bytes32:
        """The salt of the adapter's id and of its commitments."""
        return _salt(self.adapter)

    @property
    def commitment(self) -> Bytes32:
        """What announces the version before it is revealed."""
        return adapter_commitment(self.adapter_id, self.adapter.digest, self.base_digest, self.salt)


def _announced(chain: _Chain, adapter: SeedAdapter, base_digest: Bytes32) -> _Version:
    """Creates the adapter, and commits its version unless that is published. Both only if needed."""
    assets, owner = chain.assets(), chain.by(adapter.owner)
    adapter_id = _asset_id(owner.address, _salt(adapter))
    if int(assets.functions.ownerOf(adapter_id).call(), 16) == 0:
        owner.call(assets, "createAdapter", _salt(adapter), f"starter:{adapter.name}")
    version = _version(assets, adapter, adapter_id, base_digest)
    if not version.is_published and assets.functions.committedAt(version.commitment).call() == 0:
        owner.call(assets, "commitAdapterVersion", version.commitment)
    return version


def _version(assets: Contract, adapter: SeedAdapter, adapter_id: Bytes32, base_digest: Bytes32) -> _Version:
    """The published version with these digests, or else the next one. The registry lists none, so events are read."""
    published = assets.events.AdapterVersionPublished().get_logs(
        from_block=_FIRST_BLOCK, argument_filters={"adapterId": adapter_id}
    )
    known = {Bytes32(bytes(event["args"]["adapterKey"])) for event in published}
    keys = [adapter_key(adapter_id, n, adapter.digest, base_digest) for n in range(1, len(known) + 2)]
    key = next((key for key in keys if key in known), keys[-1])
    return _Version(adapter, adapter_id, base_digest, key, key in known)


def _adapter(chain: _Chain, version: _Version, published: dict[str, SeededDatanet]) -> SeededAdapter:
    """Publishes the version and its terms, unless they are."""
    adapter, owner = version.adapter, chain.by(version.adapter.owner)
    if not version.is_published:
        _await_reveal(chain, version.commitment)
        given = (version.adapter_id, adapter.digest, version.base_digest, version.salt)
        owner.call(chain.assets(), "publishAdapterVersion", *given)
    sources = sorted(
        (DatanetLink(published[name].datanet_id, published[name].version, ppm) for name, ppm in adapter.datanets),
        key=lambda link: (link.datanet_id, link.version),
    )
    links = tuple(sources)
    manifest = AdapterManifest(version.base_digest, adapter.digest, owner.address, adapter.evidence_ppm, datanets=links)
    terms = Terms(
        adapter_key=version.key,
        owner=owner.address,
        royalty_ppm=adapter.royalty_ppm,
        data_ppm=adapter.data_ppm,
        evidence_ppm=adapter.evidence_ppm,
        manifest_digest=manifest.struct_hash(),
        datanets=links,
    )
    terms_hash = terms.struct_hash()
    if chain.assets().functions.termsHashAt(version.key, _END_OF_TIME).call() != terms_hash:
        owner.call(chain.assets(), "registerTerms", terms.abi_tuple(), 0)
    return SeededAdapter(adapter.name, version.key, terms_hash)


def _await_reveal(chain: _Chain, commitment: Bytes32) -> None:
    """Waits until a committed adapter version can be published."""
    assets = chain.assets()
    ready_at = assets.functions.committedAt(commitment).call() + assets.functions.revealDelay().call()
    while chain.web3.eth.get_block("latest")["timestamp"] < ready_at:
        time.sleep(max(_POLL_S, ready_at - time.time()))
        chain.mine()  # a chain may simulate with the time of its newest block


def _salt(adapter: SeedAdapter) -> Bytes32:
    return keccak(adapter.name.encode())


def _asset_id(creator: Address, salt: Bytes32) -> Bytes32:
    """keccak256(abi.encode(creator, salt)). The creator is part of the id, so nobody else can register it first."""
    return keccak(bytes(12) + address_bytes(creator) + salt)
