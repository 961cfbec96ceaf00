"""eth_call and eth_estimateGas: runs a message on a scratch state and discards its effects."""

from dataclasses import dataclass
from typing import cast

from eth.abc import ComputationAPI, SignedTransactionAPI, StateAPI
from eth.exceptions import Revert, VMError
from eth.vm.forks.prague.constants import TOTAL_COST_FLOOR_PER_TOKEN
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address as RawAddress
from eth_utils.exceptions import ValidationError

from local_chain.genesis import CHAIN_ID, GAS_LIMIT

_STIPEND = 2_300
_TOLERANCE = 0.015
"""How far an estimate may exceed the least gas that suffices, as a fraction of it (Geth's value)."""


class Reverted(Exception):
    """The call ended in REVERT. `data` is the revert data."""

    def __init__(self, data: bytes) -> None:
        super().__init__("execution reverted")
        self.data = data


class ExecutionFailed(Exception):
    """The call ended in another error: out of gas, an invalid opcode, a sender without funds, …"""


@dataclass(frozen=True, slots=True)
class Call:
    """A message to run. Addresses are 20 bytes; `to` is empty for a deployment; `value` is in wei.

    `gas` None stands for the block gas limit.
    """

    sender: RawAddress
    to: RawAddress
    data: bytes
    value: int
    gas: int | None
    access_list: tuple[tuple[RawAddress, tuple[int, ...]], ...] = ()


def call(state: StateAPI, message: Call) -> bytes:
    """The data that the message returns. Raises Reverted or ExecutionFailed."""
    return bytes(_succeed(_run(state, message, message.gas or GAS_LIMIT)).output)


def estimate(state: StateAPI, message: Call) -> int:
    """A gas limit at most `_TOLERANCE` above the least with which the message succeeds.

    Raises Reverted or ExecutionFailed if it does not succeed with any.
    """
    floor, high = _data_floor(message.data), message.gas or GAS_LIMIT
    low = high - _succeed(_run(state, message, high)).get_gas_remaining()
    for guess in (
        low,
        (low + _STIPEND) * 64 // 63,
    ):  # the second guess covers the 1/64 that calls hold back (EIP-150) and stipends
        if guess >= high:
            return max(high, floor)
        if not _run(state, message, guess).is_error:
            return max(guess, floor)
        low = guess
    while high - low > _TOLERANCE * high:
        middle = (low + high) // 2
        if _run(state, message, middle).is_error:
            low = middle
        else:
            high = middle
    return max(high, floor)


def _run(state: StateAPI, message: Call, gas: int) -> ComputationAPI:
    unsigned = PragueTransactionBuilder.new_unsigned_dynamic_fee_transaction(
        chain_id=CHAIN_ID,
        nonce=state.get_nonce(message.sender),
        max_priority_fee_per_gas=0,
        max_fee_per_gas=0,
        gas=gas,
        to=message.to,
        value=message.value,
        data=message.data,
        access_list=message.access_list,
    )
    if gas < unsigned.intrinsic_gas:
        raise ExecutionFailed(f"intrinsic gas too low: gas {gas}, minimum {unsigned.intrinsic_gas}")
    snapshot = state.snapshot()
    try:
        spoofed = cast(SignedTransactionAPI, SpoofTransaction(unsigned, from_=message.sender))
        return state.apply_transaction(spoofed)
    except ValidationError as error:
        raise ExecutionFailed(str(error)) from error
    finally:
        state.revert(snapshot)


def _succeed(computation: ComputationAPI) -> ComputationAPI:
    if not computation.is_error:
        return computation
    error: VMError = computation.error
    if isinstance(error, Revert):
        raise Reverted(bytes(computation.output))
    raise ExecutionFailed(f"{type(error).__name__}: {error}")


def _data_floor(data: bytes) -> int:
    """The least gas that a transaction with this call data costs (EIP-7623)."""
    zeros = data.count(0)
    return 21_000 + TOTAL_COST_FLOOR_PER_TOKEN * (zeros + 4 * (len(data) - zeros))
