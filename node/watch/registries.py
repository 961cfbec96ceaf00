"""What the chain says about a node: its keys, prices and posted headers, and the terms of adapters.

Everything is read through the caller's own connection, by (key, time), as a judge on the chain reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from attribution.findings import Fault, Finding, Place
from attribution.receipts_file import ReceiptsFile
from contracts.crypto import ZERO_ADDRESS, Address, Bytes32, InvalidSignature, to_address
from contracts.encoding import header_commitment, to_hex
from contracts.structs import BatchHeader, PriceList, Terms, UsageReceipt
from local_chain.deployment import Deployment
from node.chain.contracts import Contract, read_many
from node.chain.events import DatanetPublished
from node.chain.rpc import RpcClient

_Read = tuple[Contract, str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Registries:
    """The registries and Settlement of one deployment."""

    client: RpcClient
    deployment: Deployment

    @property
    def _nodes(self) -> Contract:
        return Contract(self.client, "NodeRegistry", self.deployment.node_registry)

    @property
    def _assets(self) -> Contract:
        return Contract(self.client, "AssetRegistry", self.deployment.asset_registry)

    @property
    def _settlement(self) -> Contract:
        return Contract(self.client, "Settlement", self.deployment.settlement)

    async def operator_at(self, node: Address, at: int) -> Address:
        """The address that signs for `node` at a unix time; zero if the chain does not know the node."""
        return to_address((await self._nodes.read("operatorAt", node, at))[0])

    async def token_of(self, node: Address) -> Address:
        """The token of a vault; zero if the chain does not know the node."""
        return to_address((await self._nodes.read("tokenOf", node))[0])

    async def price_list(self, price_hash: Bytes32) -> PriceList:
        """The registered price list with this hash; its node is zero if there is none."""
        return PriceList.from_abi((await self._nodes.read("priceList", price_hash))[0])

    async def price_hash_at(self, node: Address, adapter_key: Bytes32, at: int) -> Bytes32:
        """The price list in force at a unix time for a node and an adapter key (0: its default); zero if none is."""
        return Bytes32((await self._nodes.read("priceHashAt", node, adapter_key, at))[0])

    async def terms(self, terms_hash: Bytes32) -> Terms | None:
        """The registered terms with this hash; None for the zero hash, which means no terms."""
        if not any(terms_hash):
            return None
        return Terms.from_abi((await self._assets.read("terms", terms_hash))[0])

    async def terms_hash_at(self, adapter_key: Bytes32, at: int) -> Bytes32:
        """The terms in force at a unix time for an adapter; zero if there are none."""
        return Bytes32((await self._assets.read("termsHashAt", adapter_key, at))[0])

    async def is_posted(self, header: BatchHeader) -> bool:
        """Whether Settlement holds exactly this header."""
        held = (await self._settlement.read("commitmentOf", header.node, header.epoch))[0]
        return bool(held == header_commitment(header.struct_hash(), header.state_root))

    async def last_epoch(self, node: Address) -> int:
        """The epoch of the newest header that was posted for a node; 0 if none was."""
        return int((await self._settlement.read("ledger", node))[0])

    async def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished:
        """A published Datanet version; with zero weight if it does not exist."""
        (value,) = await self._assets.read("datanetVersion", datanet_id, version)
        content, contributors, total, count, at = value
        return DatanetPublished(datanet_id, version, content, contributors, total, count, at)

    async def contradictions(self, file: ReceiptsFile) -> list[Finding]:
        """Where a file differs from the chain: its header, its vault and contract, and every registration it names."""
        header, findings = file.header, list[Finding]()
        token = await self.token_of(header.node)
        claimed = file.entries[0].evidence.config.token
        here = (file.domain.chain_id, file.domain.verifying_contract)
        ours = (self.client.chain_id, self.deployment.settlement)
        if here != ours:
            detail = f"it is of Settlement {here[1]} on chain {here[0]}, not {ours[1]} on chain {ours[0]}"
            return [Finding(Fault.UNCHAINED, header.epoch, detail)]
        if token != claimed:
            what = f"the token of vault {header.node} is {token}, the file says {claimed}"
            return [Finding(Fault.UNCHAINED, header.epoch, what)]
        if not await self.is_posted(header):
            detail = f"the chain has no header {to_hex(header.struct_hash())} for this epoch"
            return [Finding(Fault.UNCHAINED, header.epoch, detail)]
        return findings + await self._unregistered(file) + await self._unsigned(file)

    async def _unregistered(self, file: ReceiptsFile) -> list[Finding]:
        prices = {one: _price_read(self._nodes, file, one) for one in range(len(file.entries))}
        terms = {one: _terms_read(self._assets, file, one) for one in range(len(file.entries))}
        in_force = await _read_once(self.client, [*prices.values(), *terms.values()])
        findings = []
        for index, entry in enumerate(file.entries):
            place = Place(file.header.epoch, index, entry.receipt.seq)
            for name, named, read in (
                ("price list", entry.receipt.price_hash, prices[index]),
                ("terms", entry.receipt.terms_hash, terms[index]),
            ):
                held = in_force[read[1:]]
                if held != named:
                    detail = f"the {name} in force at {entry.receipt.started_at} is {_shown(held)}, not {_shown(named)}"
                    findings.append(Finding(Fault.UNJUSTIFIED_LEAF, file.header.epoch, detail, "T3", place))
        return findings

    async def _unsigned(self, file: ReceiptsFile) -> list[Finding]:
        """Compares the signers of a file of version 2 with the operator keys on the chain."""
        node = file.header.node
        reads: list[_Read] = [(self._nodes, "operatorAt", (node, one.receipt.finished_at)) for one in file.entries]
        held = await _read_once(self.client, reads)
        findings = []
        for index, (entry, read) in enumerate(zip(file.entries, reads, strict=True)):
            try:
                signer = file.signer_of(entry)
            except InvalidSignature:
                signer = ZERO_ADDRESS
            operator = to_address(str(held[read[1:]]))
            if signer is not None and signer != operator:
                place = Place(file.header.epoch, index, entry.receipt.seq)
                detail = f"signed by {signer}; the chain's operator at {entry.receipt.finished_at} is {operator}"
                findings.append(Finding(Fault.UNSIGNED, file.header.epoch, detail, place=place))
        return findings


def _price_read(nodes: Contract, file: ReceiptsFile, index: int) -> _Read:
    entry = file.entries[index]
    key = entry.evidence.price_list.value.adapter_key
    return nodes, "priceHashAt", (file.header.node, key, entry.receipt.started_at)


def _terms_read(assets: Contract, file: ReceiptsFile, index: int) -> _Read:
    receipt: UsageReceipt = file.entries[index].receipt
    return assets, "termsHashAt", (receipt.adapter_key, receipt.started_at)


async def _read_once(client: RpcClient, reads: Sequence[_Read]) -> dict[tuple[str, tuple[object, ...]], object]:
    """Every different read once, by function and arguments."""
    different = list({(name, args): contract for contract, name, args in reads}.items())
    found = await read_many(client, [(contract, name, args) for (name, args), contract in different])
    return {key: value[0] for (key, _), value in zip(different, found, strict=True)}


def _shown(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
