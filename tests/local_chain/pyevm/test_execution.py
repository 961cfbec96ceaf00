"""eth_call and eth_estimateGas on a scratch state: results, refusals, and estimates that suffice."""

from collections.abc import Callable

import pytest
from eth.abc import StateAPI
from eth_abi.abi import decode, encode

from contracts.crypto import PrivateKey, keccak
from contracts.x402 import ESCROW, MULTICALL3
from local_chain.pyevm.chain import PyevmChain, raw
from local_chain.pyevm.execution import Call, ExecutionFailed, Reverted, call, estimate
from tests.local_chain.engines import OWNER, PAYER

ETH_BALANCE = keccak(b"getEthBalance(address)")[:4]
TRY_AGGREGATE = keccak(b"tryAggregate(bool,(address,bytes)[])")[:4]
BARE_TRANSFER = 21_000


@pytest.fixture
def state(pyevm: PyevmChain) -> StateAPI:
    return pyevm.free_state(pyevm.next_header())


def message(to: str, data: bytes = b"", value: int = 0, gas: int | None = None, sender: str = PAYER.address) -> Call:
    return Call(sender=raw(sender), to=raw(to), data=data, value=value, gas=gas)


def balance_of(account: str) -> Call:
    return message(MULTICALL3, ETH_BALANCE + encode(["address"], [account]))


def failing(require_success: bool) -> Call:
    calls = [(ESCROW, b"none")]
    return message(MULTICALL3, TRY_AGGREGATE + encode(["bool", "(address,bytes)[]"], [require_success, calls]))


def test_a_call_returns_the_data_and_changes_nothing(state: StateAPI) -> None:
    (before,) = decode(["uint256"], call(state, balance_of(OWNER.address)))

    call(state, message(OWNER.address, value=1))

    assert before == state.get_balance(raw(OWNER.address))
    assert call(state, balance_of(OWNER.address)) == encode(["uint256"], [before])


@pytest.mark.parametrize("run", [call, estimate])
def test_a_revert_carries_its_data(state: StateAPI, run: Callable[[StateAPI, Call], object]) -> None:
    with pytest.raises(Reverted) as refusal:
        run(state, failing(require_success=True))

    assert refusal.value.data[:4] == keccak(b"CallFailed(uint256,bytes)")[:4]
    assert decode(["uint256", "bytes"], refusal.value.data[4:]) == (0, b"")


@pytest.mark.parametrize("run", [call, estimate])
@pytest.mark.parametrize(
    ("doomed", "reason"),
    [
        (message(OWNER.address, gas=20_999), "intrinsic gas too low: gas 20999, minimum 21000"),
        (message(MULTICALL3, ETH_BALANCE + bytes(32), gas=21_500), "OutOfGas"),
        (message(OWNER.address, value=1, sender=PrivateKey(keccak(b"poor")).address), "balance|funds"),
    ],
)
def test_a_message_that_cannot_run_says_why(
    state: StateAPI, run: Callable[[StateAPI, Call], object], doomed: Call, reason: str
) -> None:
    with pytest.raises(ExecutionFailed, match=reason):
        run(state, doomed)


def test_a_payment_is_estimated_exactly(state: StateAPI) -> None:
    assert estimate(state, message(OWNER.address, value=1)) == BARE_TRANSFER


@pytest.mark.parametrize("sample", [balance_of(OWNER.address), failing(require_success=False)])
def test_an_estimate_suffices_and_is_close_to_the_least(state: StateAPI, sample: Call) -> None:
    gas = estimate(state, sample)

    call(state, Call(sample.sender, sample.to, sample.data, sample.value, gas))
    with pytest.raises((ExecutionFailed, Reverted)):
        call(state, Call(sample.sender, sample.to, sample.data, sample.value, int(gas * 0.95)))


@pytest.mark.parametrize("data", [b"", bytes(500), b"\x01" * 500, bytes(100) + b"\x01" * 100])
def test_call_data_costs_at_least_its_floor(state: StateAPI, data: bytes) -> None:
    zeros = data.count(0)

    gas = estimate(state, message(OWNER.address, data))

    assert gas == 21_000 + 10 * (zeros + 4 * (len(data) - zeros))  # EIP-7623; an account without code runs nothing
