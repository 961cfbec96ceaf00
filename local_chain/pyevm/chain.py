"""The chain: genesis, one block per transaction, and reads of the state after any block. One thread at a time."""

import time
from collections.abc import Callable
from pathlib import Path

import rlp  # type: ignore[import-untyped]  # rlp ships no types
from eth.abc import BlockHeaderAPI, ReceiptAPI, SignedTransactionAPI, StateAPI
from eth.chains.base import Chain
from eth.consensus.noproof import NoProofConsensus
from eth.constants import POST_MERGE_DIFFICULTY, POST_MERGE_MIX_HASH, POST_MERGE_NONCE
from eth.db.atomic import AtomicDB
from eth.exceptions import HeaderNotFound, TransactionNotFound
from eth.typing import AccountDetails
from eth.vm.forks.prague import PragueVM
from eth_typing import Address as RawAddress
from eth_typing import BlockNumber, Hash32
from eth_utils.exceptions import ValidationError

from contracts.crypto import Address, address_bytes, to_address
from local_chain.accounts import dev_accounts
from local_chain.errors import CorruptChain
from local_chain.genesis import CHAIN_ID, DEV_BALANCE_WEI, GAS_LIMIT, predeployed_code
from local_chain.pyevm.database import ChainDatabase, LogRow

_TYPED = {1, 2}
_HEAD_KEY = b"v1:canonical_head_hash"


class TransactionRefused(Exception):
    """The transaction cannot enter a block; the message says why, in the words of other clients."""


class DevVM(PragueVM):
    """Prague, but blocks may have equal timestamps: the chain's clock must not run ahead of the wall clock."""

    consensus_class = NoProofConsensus

    @classmethod
    def validate_header(cls, header: BlockHeaderAPI, parent_header: BlockHeaderAPI) -> None:
        """Raises ValidationError for an invalid header; its timestamp may equal its parent's."""
        if header.timestamp < parent_header.timestamp:
            raise ValidationError("a block cannot be older than its parent")
        super().validate_header(header, parent_header.copy(timestamp=header.timestamp - 1))


class DevChain(Chain):
    """A chain with the id `CHAIN_ID`, which the CHAINID opcode returns and every EIP-712 domain includes."""

    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), DevVM),)


class PyevmChain:
    """A chain in one SQLite file. A block is durable before `send` or `mine` returns.

    `clock` returns unix seconds. Raises CorruptChain if the file holds no readable chain.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._db = ChainDatabase(path)
        base = AtomicDB(self._db)
        try:
            is_new = not base.exists(_HEAD_KEY)
            self._chain = _first_block(base, int(clock())) if is_new else DevChain(base)
            self.head: BlockHeaderAPI = self._chain.get_canonical_head()
        except (HeaderNotFound, KeyError, rlp.exceptions.DecodingError) as error:
            raise CorruptChain.at(path, f"no readable head block: {error}") from error
        self._clock_offset_s = self._db.setting("clock_offset_s") or 0
        self._db.commit()
        self.genesis_hash = bytes(self._chain.get_canonical_block_hash(BlockNumber(0)))

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    # The clock

    def now(self) -> int:
        """The timestamp of a block mined now: the clock plus what `increase_time` added, at least that of the head."""
        return max(int(self._clock()) + self._clock_offset_s, self.head.timestamp)

    def increase_time(self, seconds: int) -> int:
        """Moves the chain's clock forward permanently. Returns the total offset from the wall clock, in seconds."""
        self._clock_offset_s += seconds
        self._db.change_setting("clock_offset_s", self._clock_offset_s)
        self._db.commit()
        return self._clock_offset_s

    # Writing

    def send(self, raw: bytes) -> bytes:
        """Mines a signed transaction in its own block and returns its hash. Raises TransactionRefused."""
        transaction = self._decode(raw)
        if self._mined(transaction.hash):
            raise TransactionRefused("already known")
        self._check(transaction)
        try:
            self._seal((transaction,))
        except ValidationError as error:
            raise TransactionRefused(str(error)) from error
        return bytes(transaction.hash)

    def mine(self) -> BlockHeaderAPI:
        """Mines an empty block and returns its header."""
        self._seal(())
        return self.head

    def _decode(self, raw: bytes) -> SignedTransactionAPI:
        if raw[:1] and raw[0] < 0xC0 and raw[0] not in _TYPED:
            raise TransactionRefused(f"transaction type 0x{raw[0]:x} is not supported; send type 0, 1 or 2")
        try:
            transaction = DevVM.get_transaction_builder().decode(raw)
            transaction.validate()
            transaction.check_signature_validity()
        except (ValidationError, rlp.exceptions.RLPException, ValueError, TypeError, IndexError) as error:
            raise TransactionRefused(f"not a valid signed transaction: {error}") from error
        return transaction

    def _check(self, transaction: SignedTransactionAPI) -> None:
        """The checks that py-evm lacks (the chain id of typed transactions) or words differently from other clients."""
        if transaction.chain_id != CHAIN_ID:
            signed_for = "no chain" if transaction.chain_id is None else f"chain {transaction.chain_id}"
            raise TransactionRefused(f"invalid chain id for signer: signed for {signed_for}, want {CHAIN_ID}")
        state = self.state(self.head)
        nonce = state.get_nonce(transaction.sender)
        if transaction.nonce < nonce:
            raise TransactionRefused(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.nonce > nonce:
            raise TransactionRefused(
                f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}; this chain has no queue"
            )
        if transaction.gas < transaction.intrinsic_gas:
            raise TransactionRefused(
                f"intrinsic gas too low: gas {transaction.gas}, minimum {transaction.intrinsic_gas}"
            )
        if transaction.gas > GAS_LIMIT:
            raise TransactionRefused(f"exceeds block gas limit: gas {transaction.gas}, limit {GAS_LIMIT}")
        least, offered = base_fee(self.next_header()), transaction.max_fee_per_gas
        if offered < least:
            raise TransactionRefused(
                f"max fee per gas less than block base fee: maxFeePerGas {offered}, baseFee {least}"
            )
        cost = transaction.gas * transaction.max_fee_per_gas + transaction.value
        balance = state.get_balance(transaction.sender)
        if balance < cost:
            sender = to_address("0x" + transaction.sender.hex())
            raise TransactionRefused(
                f"insufficient funds for gas * price + value: {sender} has {balance} wei, needs {cost}"
            )

    def _seal(self, transactions: tuple[SignedTransactionAPI, ...]) -> None:
        header = self.next_header()
        vm = self._chain.get_vm(header)
        try:
            filled, receipts, _ = vm.apply_all_transactions(transactions, header)
            block = vm.set_block_transactions_and_withdrawals(vm.get_block(), filled, transactions, receipts)
            block = vm.mine_block(block).block
            self._chain.chaindb.persist_block(block)
            self._db.add_logs(_log_rows(block.header, transactions, receipts))
            self._db.commit()
        except BaseException:
            self._db.discard()
            raise
        self.head = block.header

    def next_header(self) -> BlockHeaderAPI:
        """The header that a block mined now would start from."""
        return self._chain.create_header_from_parent(self.head, timestamp=self.now(), gas_limit=GAS_LIMIT)

    # Reading

    def header(self, number: int) -> BlockHeaderAPI | None:
        """The header of a block by its number; None if there is no such block."""
        if number == self.head.block_number:
            return self.head
        try:
            return self._chain.get_canonical_block_header_by_number(BlockNumber(number))
        except HeaderNotFound:
            return None

    def header_by_hash(self, block_hash: bytes) -> BlockHeaderAPI | None:
        """The header of a block by its hash; None if there is no such block."""
        try:
            return self._chain.get_block_header_by_hash(Hash32(block_hash))
        except HeaderNotFound:
            return None

    def state(self, header: BlockHeaderAPI) -> StateAPI:
        """The accounts after the block of `header`."""
        return self._chain.get_vm(header).state

    def free_state(self, header: BlockHeaderAPI) -> StateAPI:
        """A scratch copy of the state after `header`, for calls: with its number and time, and a base fee of 0."""
        vm = self._chain.get_vm(header.copy(base_fee_per_gas=0))
        return vm.state

    def transactions(self, header: BlockHeaderAPI) -> tuple[SignedTransactionAPI, ...]:
        """The transactions of a block, in order."""
        return self._chain.chaindb.get_block_transactions(header, DevVM.get_transaction_builder())

    def receipts(self, header: BlockHeaderAPI) -> tuple[ReceiptAPI, ...]:
        """The receipts of a block's transactions, in order. Their `gas_used` is cumulative."""
        return tuple(self._chain.chaindb.get_receipts(header, DevVM.get_receipt_builder()))

    def find(self, transaction_hash: bytes) -> tuple[BlockHeaderAPI, int] | None:
        """The block that holds a transaction, and the transaction's index in it; None if it was not mined."""
        try:
            number, index = self._chain.get_canonical_transaction_index(Hash32(transaction_hash))
        except TransactionNotFound:
            return None
        return self._chain.get_canonical_block_header_by_number(number), index

    def _mined(self, transaction_hash: bytes) -> bool:
        return self.find(transaction_hash) is not None

    def logs(self, first: int, last: int, addresses: list[bytes]) -> list[LogRow]:
        """The logs of blocks first..last (inclusive) of these contracts, or of all contracts if none is given."""
        return self._db.logs(first, last, addresses)


def base_fee(header: BlockHeaderAPI) -> int:
    """The base fee of a block, in wei; every block of this chain has one."""
    fee = header.base_fee_per_gas
    assert fee is not None
    return fee


def _first_block(base: AtomicDB, timestamp: int) -> DevChain:
    state = {raw(key.address): _account(balance=DEV_BALANCE_WEI) for key in dev_accounts()}
    for address, code in predeployed_code().items():
        state[raw(address)] = _account(nonce=1, code=code)
    chain = DevChain.from_genesis(
        base,
        {
            "difficulty": POST_MERGE_DIFFICULTY,
            "mix_hash": POST_MERGE_MIX_HASH,
            "nonce": POST_MERGE_NONCE,
            "gas_limit": GAS_LIMIT,
            "timestamp": timestamp,
        },
        state,
    )
    assert isinstance(chain, DevChain)
    return chain


def _account(balance: int = 0, nonce: int = 0, code: bytes = b"") -> AccountDetails:
    return AccountDetails(balance=balance, nonce=nonce, code=code, storage={})


def raw(address: Address) -> RawAddress:
    """The address as the 20 bytes that py-evm uses."""
    return RawAddress(address_bytes(address))


def _log_rows(
    header: BlockHeaderAPI, transactions: tuple[SignedTransactionAPI, ...], receipts: tuple[ReceiptAPI, ...]
) -> list[LogRow]:
    rows: list[LogRow] = []
    for index, (transaction, receipt) in enumerate(zip(transactions, receipts, strict=True)):
        for log in receipt.logs:
            topics = b"".join(topic.to_bytes(32) for topic in log.topics)
            place = (
                header.block_number,
                len(rows),
                index,
                bytes(transaction.hash),
                bytes(header.hash),
                header.timestamp,
            )
            rows.append(LogRow(*place, bytes(log.address), topics, bytes(log.data)))
    return rows
