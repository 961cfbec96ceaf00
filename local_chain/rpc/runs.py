"""Methods that run code or mine: calls, estimates, transactions, the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from eth.abc import StateAPI

from contracts.reverts import error_string
from local_chain.pyevm import execution
from local_chain.pyevm.chain import PyevmChain, TransactionRefused
from local_chain.rpc import params
from local_chain.rpc.documents import hex_bytes, number
from local_chain.rpc.errors import EXECUTION_REVERTED, SERVER_ERROR, InvalidParams, Json, RpcError
from local_chain.rpc.params import optional, required
from local_chain.rpc.reads import Reads

_MAX_STEP_S = 100 * 365 * 86_400
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs messages on one chain. `latest` and `pending` mean the block that would be mined now, with its time."""

    chain: PyevmChain
    reads: Reads

    def call(self, p: list[Json]) -> Json:
        """eth_call: the data that a message returns. A revert has code 3 and the revert data."""
        return hex_bytes(self._run(execution.call, p))

    def estimate(self, p: list[Json]) -> Json:
        """eth_estimateGas: a gas limit with which a message succeeds."""
        return number(self._run(execution.estimate, p))

    def _run(self, run: Callable[[StateAPI, execution.Call], _Result], p: list[Json]) -> _Result:
        message, state = self._prepare(p)
        try:
            return run(state, message)
        except (execution.Reverted, execution.ExecutionFailed) as error:
            raise _refusal(error) from error

    def _prepare(self, p: list[Json]) -> tuple[execution.Call, StateAPI]:
        if optional(p, 2) or optional(p, 3):
            raise InvalidParams("state and block overrides are not supported on this chain")
        message = params.call_message(required(p, 0))
        name = params.block_name(optional(p, 1))
        is_now = name in ("latest", "pending")
        return message, self.chain.free_state(self.chain.next_header() if is_now else self.reads.header(name))

    def send(self, p: list[Json]) -> Json:
        """eth_sendRawTransaction: mines a signed transaction and returns its hash."""
        try:
            return hex_bytes(self.chain.send(params.data(required(p, 0), "transaction")))
        except TransactionRefused as error:
            raise RpcError(SERVER_ERROR, str(error)) from error

    def mine(self, _: list[Json]) -> Json:
        """evm_mine: mines an empty block."""
        self.chain.mine()
        return "0x0"

    def increase_time(self, p: list[Json]) -> Json:
        """evm_increaseTime: moves the clock forward and returns the total offset, in seconds."""
        seconds = params.quantity(required(p, 0), "seconds")
        if seconds > _MAX_STEP_S:
            raise InvalidParams(f"seconds: at most {_MAX_STEP_S} (a hundred years) at once")
        return self.chain.increase_time(seconds)


def _refusal(error: execution.Reverted | execution.ExecutionFailed) -> RpcError:
    if isinstance(error, execution.ExecutionFailed):
        return RpcError(SERVER_ERROR, str(error))
    reason = error_string(error.data)
    message = f"execution reverted: {reason}" if reason else "execution reverted"
    return RpcError(EXECUTION_REVERTED, message, hex_bytes(error.data))
