"""The ledger behind the test vectors: one vault, two payers, receipts with and without terms and signed requests."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from attribution.batch import Item
from attribution.transition import Evidence, Ledger, Registered
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, keccak
from contracts.encoding import adapter_key
from contracts.fees import usage_fee
from contracts.structs import DatanetLink, InferenceRequest, PriceList, Terms, UsageReceipt, openlora_domain
from contracts.x402 import ChannelConfig, Voucher, x402_domain

CHAIN_ID = 31337
_START = 1_750_000_000


def _word(text: str) -> Bytes32:
    return keccak(text.encode())


def _key(text: str) -> PrivateKey:
    return PrivateKey(_word(text))


NODE, TOKEN, SETTLEMENT, OPERATOR_PAYEE, OWNER = (
    _key(name).address for name in ("vault", "token", "settlement", "operator payee", "adapter owner")
)
LEDGER = Ledger(NODE, TOKEN, openlora_domain(CHAIN_ID, SETTLEMENT))
ADAPTERS = [adapter_key(_word(f"adapter {at}"), at + 1, _word(f"weights {at}"), _word("base")) for at in range(3)]
PRICES = PriceList(NODE, ZERO_BYTES32, 2 * 10**18, 10**18, 8 * 10**18, 10**13, OPERATOR_PAYEE, 100_000)


def _terms(number: int, ppm: tuple[int, ...]) -> Terms:
    links = sorted(
        (_word(f"datanet {number} {at}"), DatanetLink(_word(f"datanet {number} {at}"), at + 1, part))
        for at, part in enumerate(ppm)
    )
    return Terms(ADAPTERS[number], OWNER, 200_000, 500_000, 0, _word("manifest"), tuple(link for _, link in links))


TERMS = [_terms(0, (1_000_000,)), _terms(1, (333_333, 333_333, 333_334))]
_OPERATOR_KEYS = [_key("first operator"), _key("second operator")]
_ROTATED = _START + 5
OPERATORS: list[Registered[Address]] = [
    Registered(_OPERATOR_KEYS[0].address, 0, _ROTATED),
    Registered(_OPERATOR_KEYS[1].address, _ROTATED),
]


@dataclass
class _Desk:
    """Issues the receipts of the ledger in order."""

    seq: int = 0
    charged: dict[Bytes32, int] = field(default_factory=dict)

    def serve(
        self, payer: PrivateKey, number: int | None, tokens: tuple[int, int, int], *, signed: bool = True
    ) -> Item:
        """A receipt for adapter `number`, the base (None), or adapter 2, which nobody has registered."""
        self.seq += 1
        terms = TERMS[number] if number in (0, 1) else None
        config = ChannelConfig(payer.address, payer.address, NODE, NODE, TOKEN, 86_400, ZERO_BYTES32)
        channel_id, fee, at = config.channel_id(CHAIN_ID), usage_fee(PRICES, *tokens), _START + 2 * self.seq
        before = self.charged.get(channel_id, 0)
        self.charged[channel_id] = before + fee
        voucher = Voucher(channel_id, before + (2 if signed else 1) * fee)
        digest = voucher.digest(x402_domain(CHAIN_ID))
        key = ADAPTERS[number] if number is not None else ZERO_BYTES32
        request = InferenceRequest(
            NODE, channel_id, key, _word(f"body {self.seq}"), fee + 7, PRICES.struct_hash(), self.seq, at + 200
        )
        consent = request.digest(LEDGER.domain)
        receipt = UsageReceipt(
            NODE, self.seq, channel_id, consent if signed else digest, key, PRICES.struct_hash(),
            terms.struct_hash() if terms else ZERO_BYTES32, ZERO_BYTES32, 1, _word(f"prompt {self.seq}"),
            _word(f"output {self.seq}"), *tokens, fee, before, voucher.max_claimable_amount, at - 1, at, 0,
        )  # fmt: skip
        evidence = Evidence(
            config=config,
            voucher_signature=payer.sign(digest),
            price_list=Registered(PRICES, _START - 100),
            terms=Registered(terms, _START - 50) if terms else None,
            request=request if signed else None,
            request_signature=payer.sign(consent) if signed else None,
        )
        return Item(receipt, evidence)


def receipts_of_two_batches() -> Iterator[list[Item]]:
    """Three receipts, then two."""
    desk, payers = _Desk(), (_key("first payer"), _key("second payer"))
    yield [
        desk.serve(payers[0], 0, (120, 0, 80)),
        desk.serve(payers[1], 1, (10, 2_000, 300)),
        desk.serve(payers[0], None, (0, 1, 1), signed=False),
    ]
    yield [desk.serve(payers[1], 2, (77, 0, 5)), desk.serve(payers[0], 1, (4_000, 0, 1_024))]


def signatures_of(items: list[Item]) -> list[bytes]:
    """The node's signature on every receipt, by the operator key of its time."""
    return [
        _OPERATOR_KEYS[item.receipt.finished_at >= _ROTATED].sign(item.receipt.digest(LEDGER.domain)) for item in items
    ]
