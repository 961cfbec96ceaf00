"""A chain in memory: a fake `ChainClient` whose tests decide when it mines, loses transactions or reorganises."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import rlp  # type: ignore[import-untyped]  # it ships no types

from contracts.crypto import Address, Bytes32, keccak, recover, to_address
from node.chain.block_logs import bloom_of
from node.chain.client import Block, Call, Inclusion, Log
from node.chain.errors import CallRefused, CallReverted, NonceTooLow, Underpriced

GAS = 50_000
BASE_FEE = 7
Emitted = tuple[Address, tuple[Bytes32, ...], bytes]
"""Address, topics and data of an event, as a contract emits it."""
FakeContract = Callable[[Address, bytes], Sequence[Emitted]]
"""contract(sender, data): the events that a call emits. Raises CallReverted."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A signed transaction, decoded."""

    hash: Bytes32
    sender: Address
    nonce: int
    max_fee: int
    call: Call


@dataclass(slots=True)
class MemoryChain:
    """Blocks, pending transactions and contracts. automine: every transaction gets a block at once.

    coins: the balance of every account, in wei. base_fee, tip: of the next block, in wei per gas. now: the next block's
    timestamp, in unix seconds.
    """

    chain_id: int = 31337
    automine: bool = True
    coins: int = 10**18
    base_fee: int = BASE_FEE
    tip: int = 1
    now: int = 1_700_000_000
    contracts: dict[Address, FakeContract] = field(default_factory=dict)
    waiting: dict[Bytes32, _Sent] = field(default_factory=dict)
    executed: list[_Sent] = field(default_factory=list)
    _blocks: list[Block] = field(default_factory=list)
    _mined: list[dict[Bytes32, Inclusion]] = field(default_factory=list)
    _forks: int = 0

    def __post_init__(self) -> None:
        self.mine()

    def mine(self) -> Block:
        """Mines a block with every pending transaction whose nonce is next."""
        number = len(self._blocks)
        block_hash = keccak(b"block %d fork %d" % (number, self._forks))
        parent = self._blocks[-1].hash if self._blocks else None
        block = Block(number, block_hash, self.now, self.base_fee, parent=parent)
        self._blocks.append(block)
        self._mined.append({})
        log_index = 0
        for sent in sorted(self.waiting.values(), key=lambda sent: sent.nonce):
            if sent.nonce == self._count(sent.sender) and sent.max_fee >= self.base_fee:
                self._mined[-1][sent.hash] = self._execute(sent, block, log_index)
                log_index += len(self._mined[-1][sent.hash].logs)
        logs = [log for inclusion in self._mined[-1].values() for log in inclusion.logs]
        self._blocks[-1] = block = replace(block, bloom=bloom_of(logs))
        self.waiting = {h: sent for h, sent in self.waiting.items() if sent.nonce >= self._count(sent.sender)}
        self.now += 1
        return block

    def reorganise(self, depth: int, *, keep_waiting: bool = True) -> None:
        """Drops the newest `depth` blocks and mines an empty one. Their transactions are pending again or lost."""
        self._forks += 1
        dropped = {transaction_hash for mined in self._mined[-depth:] for transaction_hash in mined}
        del self._blocks[-depth:], self._mined[-depth:]
        back = [sent for sent in self.executed if sent.hash in dropped]
        self.executed = [sent for sent in self.executed if sent.hash not in dropped]
        held, self.waiting = self.waiting | {sent.hash: sent for sent in back}, {}
        self.mine()
        self.waiting = held if keep_waiting else {}

    def forget(self) -> None:
        """Loses all pending transactions, as a restarted node does."""
        self.waiting.clear()

    async def head(self) -> Block:
        """The newest block."""
        return self._blocks[-1]

    async def block(self, number: int) -> Block | None:
        """The canonical block of a number; None above the head."""
        return self._blocks[number] if 0 <= number < len(self._blocks) else None

    async def code(self, address: Address) -> bytes:
        """The code at an address; empty for an account without code."""
        return b"\x00" if address in self.contracts else b""

    async def funds(self, address: Address) -> int:
        """The native coin of an account, in wei."""
        return self.coins

    async def call(self, call: Call, sender: Address | None = None, at: int | None = None) -> bytes:
        """No data: the contracts of this chain only emit events."""
        return b""

    async def estimate_gas(self, call: Call, sender: Address) -> int:
        """The gas that a transaction needs. Raises CallReverted if it would fail."""
        self._run(sender, call)
        return GAS

    async def tip_fee(self) -> int:
        """A priority fee that is accepted soon, in wei per gas."""
        return self.tip

    async def nonce(self, address: Address) -> int:
        """The number of mined transactions of an account."""
        return self._count(address)

    async def send_raw(self, raw: bytes) -> Bytes32:
        """Sends a signed transaction and returns its hash. Raises TransactionRefused."""
        sent = _read(raw)
        if sent.nonce < self._count(sent.sender):
            raise NonceTooLow("nonce too low")
        rivals = [held for held in self.waiting.values() if (held.sender, held.nonce) == (sent.sender, sent.nonce)]
        if any(sent.hash != rival.hash and sent.max_fee * 10 < rival.max_fee * 11 for rival in rivals):
            raise Underpriced("replacement transaction underpriced")
        self.waiting = {h: held for h, held in self.waiting.items() if held not in rivals} | {sent.hash: sent}
        if self.automine:
            self.mine()
        return sent.hash

    async def knows(self, transaction_hash: Bytes32) -> bool:
        """Whether the transaction is mined or pending."""
        return transaction_hash in self.waiting or await self.inclusion(transaction_hash) is not None

    async def inclusion(self, transaction_hash: Bytes32) -> Inclusion | None:
        """The block and the result of a mined transaction; None if it is not mined."""
        return next((mined[transaction_hash] for mined in self._mined if transaction_hash in mined), None)

    async def logs(
        self, addresses: Sequence[Address], topics: Sequence[Bytes32], from_block: int, to_block: int
    ) -> list[Log]:
        """The events of these contracts with one of these first topics, in the order of the chain."""
        found = (
            log
            for mined in self._mined[from_block : to_block + 1]
            for inclusion in mined.values()
            for log in inclusion.logs
        )
        return sorted((log for log in found if log.address in addresses and log.topics[0] in topics), key=_place)

    async def logs_of_block(
        self, block_hash: Bytes32, addresses: Sequence[Address], topics: Sequence[Bytes32]
    ) -> list[Log]:
        """Such events of one block. Raises CallRefused for a block that is not on the chain."""
        every = await self.receipt_logs(block_hash)
        return [log for log in every if log.address in addresses and log.topics[0] in topics]

    async def receipt_logs(self, block_hash: Bytes32) -> list[Log]:
        """All events of one block. Raises CallRefused for a block that is not on the chain."""
        for block, mined in zip(self._blocks, self._mined, strict=True):
            if block.hash == block_hash:
                return sorted((log for inclusion in mined.values() for log in inclusion.logs), key=_place)
        raise CallRefused("eth_getLogs", "unknown block")

    def _count(self, sender: Address) -> int:
        return sum(sent.sender == sender for sent in self.executed)

    def _run(self, sender: Address, call: Call) -> Sequence[Emitted]:
        contract = self.contracts.get(call.to)
        return contract(sender, call.data) if contract else ()

    def _execute(self, sent: _Sent, block: Block, log_index: int) -> Inclusion:
        self.executed.append(sent)
        plain = Inclusion(
            sent.hash, block.number, block.hash, succeeded=True, gas_used=GAS, gas_price=block.base_fee + 1
        )
        try:
            emitted = self._run(sent.sender, sent.call)
        except CallReverted:
            return replace(plain, succeeded=False)
        logs = tuple(
            Log(block.number, block.hash, log_index + offset, sent.hash, address, topics, data)
            for offset, (address, topics, data) in enumerate(emitted)
        )
        return replace(plain, logs=logs)


def _place(log: Log) -> tuple[int, int]:
    return log.place


def _read(raw: bytes) -> _Sent:
    """Decodes a signed transaction of type 2 (EIP-1559)."""
    fields = rlp.decode(raw[1:])
    _, nonce, _, max_fee, _, to, value, data, _, y_parity, r, s = fields
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([27 + int.from_bytes(y_parity)])
    sender = recover(keccak(raw[:1] + rlp.encode(fields[:9])), signature)
    call = Call(to_address("0x" + to.hex()), data, int.from_bytes(value))
    return _Sent(keccak(raw), sender, int.from_bytes(nonce), int.from_bytes(max_fee), call)
