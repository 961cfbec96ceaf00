"""The checks of `receipts verify`. Each uses the chain if it is configured, else what the node says about itself."""

import asyncio
from dataclasses import dataclass
from typing import Literal, cast

from attribution.batch import receipt_leaf
from attribution.merkle import verify_path
from attribution.split import InvalidSplit, Payee, lines
from contracts.crypto import Address, to_address
from contracts.eip712 import Domain, parse_bytes32
from contracts.encoding import header_commitment
from contracts.fees import usage_fee
from contracts.structs import NO_CHAIN, BatchHeader, PriceList, Terms, UsageReceipt, openlora_domain
from local_chain.deployment import Deployment
from node.chain.contracts import Contract
from node.chain.rpc import RpcClient
from node.cli.chain_connection import connect
from node.cli.context import Context
from node.cli.failures import ConfigurationFailure, Failure
from node.cli.remote import Json, ask, public_url
from node.client.errors import ReceiptRefused
from node.client.receipt import SignedReceipt, verify_signed


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """The result of one check. skipped: its source is not available."""

    name: str
    verdict: Literal["ok", "WRONG", "skipped"]
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The registries and Settlement on the chain, read through the caller's own connection."""

    client: RpcClient
    deployment: Deployment

    async def operator_at(self, node: Address, at: int) -> Address:
        """The address that signed for `node` at a unix time."""
        registry = Contract(self.client, "NodeRegistry", self.deployment.node_registry)
        return to_address((await registry.read("operatorAt", node, at))[0])

    async def price_list(self, price_hash: bytes) -> PriceList:
        """The registered price list with this hash."""
        registry = Contract(self.client, "NodeRegistry", self.deployment.node_registry)
        return PriceList.from_abi((await registry.read("priceList", price_hash))[0])

    async def terms(self, terms_hash: bytes) -> Terms | None:
        """The registered terms with this hash; None for the zero hash, which means no terms."""
        if not any(terms_hash):
            return None
        registry = Contract(self.client, "AssetRegistry", self.deployment.asset_registry)
        return Terms.from_abi((await registry.read("terms", terms_hash))[0])

    async def commitment(self, node: Address, epoch: int) -> bytes:
        """The commitment to the header that was posted for an epoch; zeros if none was or it died."""
        settlement = Contract(self.client, "Settlement", self.deployment.settlement)
        return bytes((await settlement.read("commitmentOf", node, epoch))[0])


def examine(context: Context, receipt_id: str, node: str | None) -> list[ReceiptCheck]:
    """All checks of one receipt. Raises ConfigurationFailure or UsageFailure if the receipt cannot be fetched."""
    url = public_url(context, node)
    signed = SignedReceipt.parse(ask(url, "GET", f"/receipts/{receipt_id}"))
    me = ask(url, "GET", "/nodes/me")
    return asyncio.run(_examine(context, url, signed, me))


async def _examine(context: Context, url: str, signed: SignedReceipt, me: Json) -> list[ReceiptCheck]:
    if me["mode"] == "free":
        return [
            _signature(
                signed, NO_CHAIN, to_address(str(me["operator"])), "a node without a chain, as the node itself says"
            )
        ]
    chain = await _chain(context)
    if chain is None:
        domain = openlora_domain(int(str(me["chainId"])), to_address(str(me["settlement"])))
        known = _signature(signed, domain, to_address(str(me["operator"])), "the operator, as the node itself says")
        return [known, _skipped("price and split"), _skipped("batch")]
    receipt = signed.receipt
    operator = await chain.operator_at(receipt.node, receipt.finished_at)
    domain = openlora_domain(chain.client.chain_id, chain.deployment.settlement)
    signature = _signature(signed, domain, operator, "the operator registered on the chain")
    if receipt.seq == 0:
        return [signature, ReceiptCheck("price and split", "ok", "nothing was charged")]
    return [signature, await _split(signed, chain), await _batch(url, signed, chain)]


def _signature(signed: SignedReceipt, domain: Domain, operator: Address, who: str) -> ReceiptCheck:
    try:
        verify_signed(signed, domain, operator, signed.receipt.node)
    except ReceiptRefused as error:
        return ReceiptCheck("signature", "WRONG", str(error))
    return ReceiptCheck("signature", "ok", f"by {operator}, {who}")


async def _split(signed: SignedReceipt, chain: Chain) -> ReceiptCheck:
    """Computes fee and lines again from the registered price list and terms."""
    receipt = signed.receipt
    price_list, terms = await chain.price_list(receipt.price_hash), await chain.terms(receipt.terms_hash)
    due = usage_fee(price_list, receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out)
    if receipt.fee != due:
        return ReceiptCheck(
            "price and split", "WRONG", f"the fee is {receipt.fee}, the registered prices make it {due}"
        )
    try:
        expected = lines(receipt.fee, price_list, terms)
    except InvalidSplit as error:
        return ReceiptCheck("price and split", "WRONG", str(error))
    issued = {Payee(line.payee_kind, line.id): line.amount for line in signed.lines}
    if issued != expected:
        return ReceiptCheck("price and split", "WRONG", "the lines differ from what the registered terms give")
    return ReceiptCheck("price and split", "ok", f"{receipt.fee} base units to {len(expected)} payees, as registered")


async def _batch(url: str, signed: SignedReceipt, chain: Chain) -> ReceiptCheck:
    """Checks that the receipt is a leaf of the batch whose header is on the chain."""
    try:
        proof = ask(url, "GET", f"/receipts/0x{signed.id.hex()}/proof")
    except Failure as error:
        if error.code == "not_found":
            return ReceiptCheck("batch", "skipped", "the receipt is in no posted batch yet")
        raise
    header = BatchHeader.from_json(proof["header"])
    receipt = UsageReceipt.from_json(proof["receipt"])
    before, after = parse_bytes32(str(proof["stateRootBefore"])), parse_bytes32(str(proof["stateRootAfter"]))
    path = [parse_bytes32(sibling) for sibling in cast(list[str], proof["path"])]
    leaf = receipt_leaf(receipt, before, after)
    if receipt != signed.receipt or not verify_path(
        header.receipts_root, header.count, int(str(proof["index"])), leaf, path
    ):
        return ReceiptCheck("batch", "WRONG", "the proof does not lead from this receipt to the header's receiptsRoot")
    expected = header_commitment(header.struct_hash(), header.state_root)
    if await chain.commitment(header.node, header.epoch) != expected:
        return ReceiptCheck("batch", "WRONG", f"the chain holds another header for epoch {header.epoch}")
    return ReceiptCheck("batch", "ok", f"leaf {proof['index']} of epoch {header.epoch}, {proof['status']} on the chain")


async def _chain(context: Context) -> Chain | None:
    try:
        return Chain(*await connect(context))
    except ConfigurationFailure:
        return None


def _skipped(name: str) -> ReceiptCheck:
    return ReceiptCheck(name, "skipped", "no chain is configured: set OPENLORA_CHAIN_RPC and OPENLORA_DEPLOYMENT")
