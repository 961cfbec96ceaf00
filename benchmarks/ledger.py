"""What settlement costs in CPU: building a batch of receipts, its public file, and updates of a large state.

One process, one core, no chain and no database. The receipts are signed as clients sign them, and every rule of the
protocol is applied to each, signatures included. Run it with `python -m benchmarks.run ledger`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from attribution.batch import ChainTip, Item, build
from attribution.receipts import Status
from attribution.receipts_file import ReceiptsFile
from attribution.replay import Replay
from attribution.state_tree import StateTree
from attribution.transition import Evidence, Ledger, LedgerState, Registered, advance
from benchmarks.result import write
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, PrivateKey, keccak, to_address
from contracts.encoding import adapter_key
from contracts.fees import usage_fee
from contracts.structs import DatanetLink, InferenceRequest, PriceList, Terms, UsageReceipt, openlora_domain
from contracts.x402 import ChannelConfig, Voucher, x402_domain
from local_chain.genesis import CHAIN_ID

RECEIPTS = 4_096
CHANNELS = 50
ADAPTERS = 32
LEAVES = 1_000_000
UPDATES = 4_096
DATANETS_PER_ADAPTER = 4
OPEN = 10**18
_CHAIN = CHAIN_ID
T = TypeVar("T")


def measure() -> None:
    """Measure all parts and write benchmarks/results/ledger.json."""
    write("ledger", figures(RECEIPTS, LEAVES, UPDATES))


def figures(receipts: int, leaves: int, updates: int) -> dict[str, object]:
    """CPU seconds of a batch of `receipts`, and receipts per second in a state of `leaves`."""
    client = PayingClients()
    items = [client.request() for _ in range(receipts)]
    tip = ChainTip.genesis(LedgerState.genesis(client.ledger))
    build_s, batch = _timed(lambda: build(tip, items))
    operator = PrivateKey(keccak(b"operator key"))
    signatures = [operator.sign(item.receipt.digest(client.ledger.domain)) for item in items]
    operators = [Registered(operator.address, 0)]
    encode_s, raw = _timed(lambda: ReceiptsFile.of(batch, items, signatures, operators).encode())
    decode_s, file = _timed(lambda: ReceiptsFile.decode(raw))
    replay_s, findings = _timed(lambda: Replay(client.ledger).add(file))
    assert not findings, "an honest file must pass"
    update_s = _updates(client.ledger, items, leaves, updates)
    return {
        "receipts": receipts,
        "channels": CHANNELS,
        "adapters": ADAPTERS,
        "unit": "CPU seconds of one process, or receipts per CPU second",
        "build_s": round(build_s, 3),
        "file_s": round(encode_s, 3),
        "file_bytes_per_receipt": len(raw) // receipts,
        "read_file_s": round(decode_s, 3),
        "verified_per_s": round(receipts / (decode_s + replay_s)),
        "state_leaves": leaves,
        "updates_per_s": round(updates / update_s),
    }


@dataclass
class PayingClients:
    """Clients of one node that take turns: each request is of the next channel and the next adapter."""

    draw: Random = field(default_factory=lambda: Random(4))
    ledger: Ledger = field(init=False)
    seq: int = 0
    clock: int = 1_700_000_000

    def __post_init__(self) -> None:
        node, token, settlement, operator, owner = map(_address, ("node", "token", "settlement", "operator", "owner"))
        self.ledger = Ledger(node, token, openlora_domain(_CHAIN, settlement))
        self.prices = Registered(PriceList(node, ZERO_BYTES32, OPEN, OPEN // 2, 4 * OPEN, 10**13, operator, 100_000), 0)
        self.keys = [PrivateKey(keccak(f"payer {i}".encode())) for i in range(CHANNELS)]
        self.charged = [0] * CHANNELS
        self.terms = [Registered(_terms(i, owner), 0) for i in range(ADAPTERS)]

    def request(self) -> Item:
        """The next signed request, served and receipted."""
        number, self.seq, self.clock = self.seq % CHANNELS, self.seq + 1, self.clock + 1
        payer, terms = self.keys[number], self.terms[self.seq % ADAPTERS]
        config = self._channel(payer)
        tokens = (self.draw.randrange(1, 4_000), self.draw.randrange(1_000), self.draw.randrange(1, 800))
        fee = usage_fee(self.prices.value, *tokens)
        before, self.charged[number] = self.charged[number], self.charged[number] + fee
        voucher = Voucher(config.channel_id(_CHAIN), before + 2 * fee)
        request = self._request(voucher.channel_id, terms.value.adapter_key, 2 * fee)
        receipt = UsageReceipt(
            node=request.node,
            seq=self.seq,
            channel_id=voucher.channel_id,
            request_digest=request.digest(self.ledger.domain),
            adapter_key=request.adapter_key,
            price_hash=request.price_hash,
            terms_hash=terms.value.struct_hash(),
            shares_hash=ZERO_BYTES32,
            attribution_version=1,
            prompt_commit=keccak(b"prompt"),
            output_commit=keccak(b"output"),
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
        signed = payer.sign(voucher.digest(x402_domain(_CHAIN))), payer.sign(receipt.request_digest)
        evidence = Evidence(config, signed[0], self.prices, terms, request=request, request_signature=signed[1])
        return Item(receipt, evidence)

    def _channel(self, payer: PrivateKey) -> ChannelConfig:
        node, token = self.ledger.node, self.ledger.token
        return ChannelConfig(payer.address, payer.address, node, node, token, 86_400, ZERO_BYTES32)

    def _request(self, channel_id: Bytes32, adapter: Bytes32, max_fee: int) -> InferenceRequest:
        return InferenceRequest(
            node=self.ledger.node,
            channel_id=channel_id,
            adapter_key=adapter,
            request_hash=keccak(self.seq.to_bytes(8)),
            max_fee=max_fee,
            price_hash=self.prices.value.struct_hash(),
            nonce=self.seq,
            deadline=self.clock + 300,
        )


def _updates(ledger: Ledger, items: Sequence[Item], leaves: int, updates: int) -> float:
    """CPU seconds of `updates` receipts, one root each, in a state of `leaves` keys: a seventh of them are payees."""
    draw, payees = Random(5), leaves // 7
    keys = (draw.getrandbits(255) | (number >= payees) << 255 for number in range(leaves))
    state = LedgerState(ledger, seq=0, finished_at=0, cum_total=leaves, tree=StateTree.of(dict.fromkeys(keys, 1)))

    def run() -> Bytes32:
        current = state
        for number in range(updates):
            item = items[number % len(items)]
            terms = item.evidence.terms
            current = advance(current, item.receipt, item.evidence.price_list.value, terms.value if terms else None)
        return current.root

    return _timed(run)[0]


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.process_time()
    made = work()
    return time.process_time() - started, made


def _terms(number: int, owner: Address) -> Terms:
    key = adapter_key(keccak(f"adapter {number}".encode()), 1, keccak(b"weights"), keccak(b"base"))
    ids = sorted(keccak(f"datanet {number} {i}".encode()) for i in range(DATANETS_PER_ADAPTER))
    links = tuple(DatanetLink(datanet_id, 1, 1_000_000 // DATANETS_PER_ADAPTER) for datanet_id in ids)
    return Terms(key, owner, 200_000, 500_000, 500_000, keccak(b"manifest"), links)


def _address(name: str) -> Address:
    return to_address("0x" + keccak(name.encode())[12:].hex())
