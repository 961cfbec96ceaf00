"""What can be checked of a receipt, each against the best source at hand: the chain before the node's own word."""

import asyncio
from dataclasses import dataclass
from typing import Literal, cast

from attribution.batch import receipt_leaf
from attribution.merkle import verify_path
from attribution.receipts import price
from attribution.split import InvalidSplit, Payee, lines
from contracts.crypto import Address, to_address
from contracts.eip712 import Domain, parse_bytes32
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
class Check:
    """`skipped` where the source that decides is not at hand."""

    name: str
    verdict: Literal["ok", "WRONG", "skipped"]
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The caller's own view of the chain."""

    client: RpcClient
    deployment: Deployment

    async def operator_at(self, node: Address, at: int) -> Address:
        registry = Contract(self.client, "NodeRegistry", self.deployment.node_registry)
        return to_address((await registry.read("operatorAt", node, at))[0])

    async def price_list(self, price_hash: bytes) -> PriceList:
        registry = Contract(self.client, "NodeRegistry", self.deployment.node_registry)
        return PriceList.from_abi((await registry.read("priceList", price_hash))[0])

    async def terms(self, terms_hash: bytes) -> Terms | None:
        if not any(terms_hash):
            return None
        registry = Contract(self.client, "AssetRegistry", self.deployment.asset_registry)
        return Terms.from_abi((await registry.read("terms", terms_hash))[0])

    async def header_hash(self, node: Address, epoch: int) -> bytes:
        settlement = Contract(self.client, "Settlement", self.deployment.settlement)
        return bytes((await settlement.read("headerHash", node, epoch))[0])


def examine(context: Context, receipt_id: str, node: str | None) -> list[Check]:
    """All checks of one receipt. ConfigurationFailure or UsageFailure if it cannot be had."""
    url = public_url(context, node)
    signed = SignedReceipt.parse(ask(url, "GET", f"/receipts/{receipt_id}"))
    me = ask(url, "GET", "/nodes/me")
    return asyncio.run(_examine(context, url, signed, me))


async def _examine(context: Context, url: str, signed: SignedReceipt, me: Json) -> list[Check]:
    if me["mode"] == "free":
        return [
            _signature(signed, NO_CHAIN, to_address(str(me["operator"])), "a node without a chain, by its own word")
        ]
    chain = await _chain(context)
    if chain is None:
        domain = openlora_domain(int(str(me["chainId"])), to_address(str(me["settlement"])))
        known = _signature(signed, domain, to_address(str(me["operator"])), "the operator, by the node's own word")
        return [known, _skipped("price and split"), _skipped("batch")]
    receipt = signed.receipt
    operator = await chain.operator_at(receipt.node, receipt.finished_at)
    domain = openlora_domain(chain.client.chain_id, chain.deployment.settlement)
    signature = _signature(signed, domain, operator, "the operator that the chain registers")
    if receipt.seq == 0:
        return [signature, Check("price and split", "ok", "nothing was charged")]
    return [signature, await _split(signed, chain), await _batch(url, signed, chain)]


def _signature(signed: SignedReceipt, domain: Domain, operator: Address, who: str) -> Check:
    try:
        verify_signed(signed, domain, operator, signed.receipt.node)
    except ReceiptRefused as error:
        return Check("signature", "WRONG", str(error))
    return Check("signature", "ok", f"by {operator}, {who}")


async def _split(signed: SignedReceipt, chain: Chain) -> Check:
    """Fee and lines, computed anew from the registered price list and terms."""
    receipt = signed.receipt
    price_list, terms = await chain.price_list(receipt.price_hash), await chain.terms(receipt.terms_hash)
    due = price(price_list, receipt.tokens_in, receipt.tokens_cached, receipt.tokens_out)
    if receipt.fee != due:
        return Check("price and split", "WRONG", f"the fee is {receipt.fee}, the registered prices make it {due}")
    try:
        expected = lines(receipt.fee, price_list, terms)
    except InvalidSplit as error:
        return Check("price and split", "WRONG", str(error))
    told = {Payee(line.payee_kind, line.id): line.amount for line in signed.lines}
    if told != expected:
        return Check("price and split", "WRONG", "the lines differ from what the registered terms give")
    return Check("price and split", "ok", f"{receipt.fee} base units to {len(expected)} payees, as registered")


async def _batch(url: str, signed: SignedReceipt, chain: Chain) -> Check:
    """The receipt is a leaf of the batch whose header the chain holds."""
    try:
        proof = ask(url, "GET", f"/receipts/0x{signed.id.hex()}/proof")
    except Failure as error:
        if error.code == "not_found":
            return Check("batch", "skipped", "it is in no posted batch yet")
        raise
    header = BatchHeader.from_json(proof["header"])
    receipt = UsageReceipt.from_json(proof["receipt"])
    before, after = parse_bytes32(str(proof["stateRootBefore"])), parse_bytes32(str(proof["stateRootAfter"]))
    path = [parse_bytes32(sibling) for sibling in cast(list[str], proof["path"])]
    leaf = receipt_leaf(receipt, before, after)
    if receipt != signed.receipt or not verify_path(
        header.receipts_root, header.count, int(str(proof["index"])), leaf, path
    ):
        return Check("batch", "WRONG", "the proof does not lead from this receipt to the header's receiptsRoot")
    if await chain.header_hash(header.node, header.epoch) != header.struct_hash():
        return Check("batch", "WRONG", f"the chain holds another header for epoch {header.epoch}")
    return Check("batch", "ok", f"leaf {proof['index']} of epoch {header.epoch}, {proof['status']} on the chain")


async def _chain(context: Context) -> Chain | None:
    try:
        return Chain(*await connect(context))
    except ConfigurationFailure:
        return None


def _skipped(name: str) -> Check:
    return Check(name, "skipped", "no chain is at hand: give OPENLORA_CHAIN_RPC and OPENLORA_DEPLOYMENT")
