"""The Judge contract and the Python transition side by side: what one refuses, the other must refuse for one reason."""

from dataclasses import dataclass, replace

from eth_abi.abi import encode

from attribution.batch import Item
from attribution.evidence import evidence_of
from attribution.receipts import Status
from attribution.split import InvalidSplit
from attribution.state_tree import charged_key
from attribution.transition import Evidence, InvalidTransition, Ledger, LedgerState, Registered, apply
from contracts.crypto import ZERO_BYTES32, Bytes32, PrivateKey, keccak
from contracts.eip712 import abi_type
from contracts.fees import usage_fee
from contracts.structs import InferenceRequest, PriceList, Terms, UsageReceipt, openlora_domain
from contracts.x402 import ChannelConfig, Voucher, x402_domain
from tests.contracts.machine import CHAIN_ID, Reverted
from tests.contracts.market import SPAN_S, Market
from tests.contracts.world import key

_CONTEXT = "(address,address,bytes32,uint64,bytes32,bytes32,uint64,uint64)"
_TYPES = [_CONTEXT, abi_type(UsageReceipt), "bytes"]
_SELECTOR = keccak(f"judge({','.join(_TYPES)})".encode())[:4]
_LATEST = 2**64 - 1
PAYERS = [key(f"payer {number}") for number in range(4)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receipt stands in the ledger: the judge's context but for the ledger itself."""

    seq: int
    root_before: Bytes32
    root_after: Bytes32
    prev_closed_at: int
    closed_at: int = _LATEST


class Court:
    """A market, its ledger, and a judge."""

    def __init__(self, market: Market) -> None:
        world = self.world = market.world
        self.market, self.draw = market, market.draw
        self.domain = openlora_domain(CHAIN_ID, world.settlement.address)
        self.ledger = Ledger(world.vault.address, world.token.address, self.domain)
        self.state = replace(LedgerState.genesis(self.ledger), finished_at=market.start)

    # ---- the two judgements --------------------------------------------------------------------------------------

    def python_says(self, state: LedgerState, item: Item) -> tuple[str, Bytes32]:
        """The fault of a receipt, empty for none, and the state root after it."""
        try:
            return "", apply(state, item.receipt, item.evidence).root
        except InvalidTransition as refusal:
            return refusal.fault, ZERO_BYTES32

    def solidity_says(self, place: Place, receipt: UsageReceipt, evidence: bytes) -> str:
        """The error of the judge, empty for none."""
        ledger = (self.ledger.node, self.ledger.token, self.domain.separator())
        times = (place.prev_closed_at, place.closed_at)
        context = (*ledger, place.seq, place.root_before, place.root_after, *times)
        data = _SELECTOR + encode(_TYPES, [context, receipt.abi_tuple(), evidence])
        try:
            self.world.machine.call(self.world.judge.address, data)
        except Reverted as refusal:
            return refusal.reason
        return ""

    def place(self, state: LedgerState, root_after: Bytes32) -> Place:
        """The place after `state`, of a batch that starts there."""
        return Place(state.seq + 1, state.root, root_after, state.closed_at)

    def compare(self, item: Item) -> str:
        """Judges a receipt after the court's state twice; AssertionError if the answers differ. Returns the fault."""
        item = replace(item, evidence=self.market.refreshed(item.receipt, item.evidence))
        expected, root = self.python_says(self.state, item)
        try:
            evidence = evidence_of(self.state, item)
        except (InvalidSplit, OverflowError):
            assert expected, "an honest receipt has evidence"
            return expected
        actual = self.solidity_says(self.place(self.state, root), item.receipt, evidence)
        assert actual == expected, f"Python: {expected or 'valid'}, Solidity: {actual or 'valid'}, {item}"
        return expected

    # ---- honest receipts -----------------------------------------------------------------------------------------

    def serve(self) -> Item:
        """An honest next receipt: a random payer, adapter, usage, time and kind of client."""
        draw, state = self.draw, self.state
        payer, adapter = draw.choice(PAYERS), draw.choice(self.market.adapters)
        end = self.market.start + SPAN_S
        finished = min(state.finished_at + draw.choice([0, 1, 30, 2000]), end)
        started = max(self.market.start, finished - draw.choice([0, 1, 60, 3600]))
        prices = self.market.price_list_at(adapter, started)
        agreed = self.market.terms[adapter].at(started) if adapter in self.market.terms else None
        tokens = (draw.choice([0, 1, 4000, 2**32 - 1]), draw.randrange(4000), draw.randrange(1, 2000))
        receipt = self._receipt(payer, adapter, prices, agreed, tokens)
        receipt = replace(receipt, started_at=started, finished_at=finished)
        with_request = draw.random() < 0.6
        if with_request:  # otherwise the voucher is the payer's consent to exactly this charge
            receipt = replace(receipt, voucher_max=receipt.voucher_max + draw.choice([0, 1, receipt.fee]))
        return self.signed(payer, receipt, prices, agreed, with_request=with_request)

    def _receipt(
        self,
        payer: PrivateKey,
        adapter: Bytes32,
        prices: PriceList,
        agreed: Terms | None,
        tokens: tuple[int, int, int],
    ) -> UsageReceipt:
        config, fee = self.channel(payer), usage_fee(prices, *tokens)
        channel_id = config.channel_id(CHAIN_ID)
        before = self.charged(self.state, channel_id)
        return UsageReceipt(
            node=self.ledger.node,
            seq=self.state.seq + 1,
            channel_id=channel_id,
            request_digest=ZERO_BYTES32,
            adapter_key=adapter,
            price_hash=prices.struct_hash(),
            terms_hash=agreed.struct_hash() if agreed else ZERO_BYTES32,
            shares_hash=ZERO_BYTES32,
            attribution_version=1,
            prompt_commit=keccak(b"prompt"),
            output_commit=keccak(b"output"),
            tokens_in=tokens[0],
            tokens_cached=tokens[1],
            tokens_out=tokens[2],
            fee=fee,
            cum_before=before,
            voucher_max=before + fee,
            started_at=0,
            finished_at=0,
            status=self.draw.choice([Status.FINISHED, Status.ABORTED]),
        )

    def signed(
        self, payer: PrivateKey, receipt: UsageReceipt, prices: PriceList, agreed: Terms | None, *, with_request: bool
    ) -> Item:
        """The receipt with the digest of what its payer signed, and its evidence."""
        digest = Voucher(receipt.channel_id, receipt.voucher_max).digest(x402_domain(CHAIN_ID))
        evidence = Evidence(
            config=self.channel(payer),
            voucher_signature=payer.sign(digest),
            price_list=Registered(prices, 0),
            terms=Registered(agreed, 0) if agreed else None,
        )
        if with_request:
            request = self._request(receipt)
            digest = request.digest(self.domain)
            evidence = replace(evidence, request=request, request_signature=payer.sign(digest))
        item = Item(replace(receipt, request_digest=digest), evidence)
        return replace(item, evidence=self.market.refreshed(item.receipt, evidence))

    def charged(self, state: LedgerState, channel_id: Bytes32) -> int:
        """What a state charges a channel."""
        return state.tree.get(charged_key(channel_id))

    def channel(self, payer: PrivateKey) -> ChannelConfig:
        """The payer's channel to the vault."""
        vault, account = self.ledger.node, payer.address
        return ChannelConfig(account, account, vault, vault, self.ledger.token, 86_400, ZERO_BYTES32)

    def _request(self, receipt: UsageReceipt) -> InferenceRequest:
        return InferenceRequest(
            node=receipt.node,
            channel_id=receipt.channel_id,
            adapter_key=receipt.adapter_key,
            request_hash=keccak(b"body"),
            max_fee=receipt.fee + self.draw.choice([0, 1, 10**18]),
            price_hash=receipt.price_hash,
            nonce=self.draw.getrandbits(256),
            deadline=receipt.finished_at + 300,
        )
