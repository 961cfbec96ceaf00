"""Honest ledgers to test with: one vault, a few payers and adapters, receipts as a node would issue them."""

import random
from dataclasses import dataclass, field, replace

from attribution.batch import ChainTip, Item, build
from attribution.receipts import Status
from attribution.receipts_file import ReceiptsFile
from attribution.transition import Evidence, Ledger, LedgerState, Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, keccak
from contracts.encoding import adapter_key
from contracts.fees import usage_fee
from contracts.structs import DatanetLink, InferenceRequest, PriceList, Terms, UsageReceipt, openlora_domain
from contracts.x402 import ChannelConfig, Voucher, x402_domain

CHAIN_ID = 31337
OPEN = 10**18


def key(number: int) -> PrivateKey:
    """A fixed private key per number."""
    return PrivateKey(keccak(b"test key %d" % number))


def word(text: str) -> Bytes32:
    """A fixed 32-byte word per text."""
    return keccak(text.encode())


PAYERS = [key(number) for number in range(3)]
OWNERS = [key(number).address for number in range(10, 13)]
NODE, TOKEN, SETTLEMENT, OPERATOR = (key(number).address for number in range(20, 24))
OPERATOR_KEY = key(23)
OPERATORS = [Registered(OPERATOR, 0)]
LEDGER = Ledger(NODE, TOKEN, openlora_domain(CHAIN_ID, SETTLEMENT))
ADAPTERS = [adapter_key(word(f"adapter {i}"), 1, word(f"weights {i}"), word("base")) for i in range(3)]


def price_list(node: Address = NODE) -> PriceList:
    return PriceList(node, ZERO_BYTES32, 2 * OPEN, OPEN, 8 * OPEN, 10**13, OPERATOR, 100_000)


def terms(number: int) -> Terms:
    """Terms of adapter `number`: 20 % royalty, half of the fee to one, two or three Datanet versions."""
    parts = {0: [1_000_000], 1: [400_000, 600_000], 2: [333_333, 333_333, 333_334]}[number]
    links = sorted((DatanetLink(word(f"datanet {number} {i}"), 1 + i, ppm) for i, ppm in enumerate(parts)), key=str)
    return Terms(ADAPTERS[number], OWNERS[number], 200_000, 500_000, 500_000, word("manifest"), tuple(links))


def channel(payer: PrivateKey, node: Address = NODE, token: Address = TOKEN) -> ChannelConfig:
    return ChannelConfig(payer.address, payer.address, node, node, token, 86_400, ZERO_BYTES32)


@dataclass
class HonestNode:
    """Issues receipts one after the other, as metering does, and keeps what each needs to be judged."""

    ledger: Ledger = LEDGER
    price_list: Registered[PriceList] = field(default_factory=lambda: Registered(price_list(), 0))
    clock: int = 10_000
    seq: int = 0
    charged: dict[Bytes32, int] = field(default_factory=dict)

    @property
    def genesis(self) -> ChainTip:
        return ChainTip.genesis(LedgerState.genesis(self.ledger))

    def serve(
        self,
        payer: PrivateKey,
        adapter: int | None,
        tokens: tuple[int, int, int] = (120, 0, 80),
        *,
        signed_request: bool = True,
        registered_terms: Registered[Terms] | None = None,
        unregistered: Bytes32 = ZERO_BYTES32,
    ) -> Item:
        """The receipt of one request of `payer`, with the voucher and request that its client signed.

        unregistered: the key of an adapter without terms.
        """
        self.seq, self.clock = self.seq + 1, self.clock + 1
        config = channel(payer, self.ledger.node, self.ledger.token)
        channel_id = config.channel_id(self.ledger.domain.chain_id)
        before = self.charged.get(channel_id, 0)
        fee = usage_fee(self.price_list.value, *tokens)
        self.charged[channel_id] = before + fee
        agreed = registered_terms or (Registered(terms(adapter), 0) if adapter is not None else None)
        voucher = Voucher(channel_id, before + 2 * fee if signed_request else before + fee)
        voucher_digest = voucher.digest(x402_domain(self.ledger.domain.chain_id))
        request = self._request(channel_id, agreed.value.adapter_key if agreed else unregistered, fee + 5)
        request_digest = request.digest(self.ledger.domain)
        receipt = UsageReceipt(
            node=self.ledger.node,
            seq=self.seq,
            channel_id=channel_id,
            request_digest=request_digest if signed_request else voucher_digest,
            adapter_key=request.adapter_key,
            price_hash=request.price_hash,
            terms_hash=agreed.value.struct_hash() if agreed else ZERO_BYTES32,
            shares_hash=ZERO_BYTES32,
            attribution_version=1,
            prompt_commit=word(f"prompt {self.seq}"),
            output_commit=word(f"output {self.seq}"),
            tokens_in=tokens[0],
            tokens_cached=tokens[1],
            tokens_out=tokens[2],
            fee=fee,
            cum_before=before,
            voucher_max=voucher.max_claimable_amount,
            started_at=self.clock - 1,
            finished_at=self.clock,
            status=Status.FINISHED,
        )
        evidence = Evidence(config, payer.sign(voucher_digest), self.price_list, agreed)
        if signed_request:
            evidence = replace(evidence, request=request, request_signature=payer.sign(request_digest))
        return Item(receipt, evidence)

    def _request(self, channel_id: Bytes32, adapter_key: Bytes32, max_fee: int) -> InferenceRequest:
        return InferenceRequest(
            node=self.ledger.node,
            channel_id=channel_id,
            adapter_key=adapter_key,
            request_hash=word(f"body {self.seq}"),
            max_fee=max_fee,
            price_hash=self.price_list.value.struct_hash(),
            nonce=self.seq,
            deadline=self.clock + 300,
        )

    def serve_many(self, count: int, seed: int) -> list[Item]:
        """`count` receipts of random payers, adapters (or the base), sizes and client kinds."""
        draw = random.Random(seed)
        return [
            self.serve(
                draw.choice(PAYERS),
                draw.choice([None, 0, 1, 2]),
                (draw.randrange(5_000), draw.randrange(5_000), draw.randrange(1, 2_000)),
                signed_request=draw.random() < 0.7,
            )
            for _ in range(count)
        ]


def signatures(items: list[Item], operator: PrivateKey = OPERATOR_KEY, ledger: Ledger = LEDGER) -> list[bytes]:
    """The node's signature on every receipt."""
    return [operator.sign(item.receipt.digest(ledger.domain)) for item in items]


def published(tip: ChainTip, items: list[Item]) -> ReceiptsFile:
    """The public file of the batch of `items`."""
    return ReceiptsFile.of(build(tip, items), items, signatures(items, ledger=tip.state.ledger), OPERATORS)
