"""What web3.py can expect of a private chain, with either engine."""

import time

import pytest
from eth_abi.abi import decode
from web3.exceptions import ContractCustomError, TransactionNotFound, Web3RPCError

from contracts.artifacts import load
from contracts.crypto import Address, address_bytes, keccak
from contracts.x402 import ESCROW, MULTICALL3, ChannelConfig
from local_chain.accounts import dev_accounts
from local_chain.genesis import CHAIN_ID, DEV_BALANCE_WEI, GAS_LIMIT, PREDEPLOYED
from local_chain.transactor import contract
from tests.local_chain.engines import DEPLOYER, OPERATOR, OWNER, PAYER, Chain

TRANSFER = keccak(b"Transfer(address,address,uint256)")


def topic(address: Address) -> str:
    return "0x" + address_bytes(address).rjust(32, b"\0").hex()


def test_the_chain_names_its_id_the_same_everywhere(chain: Chain) -> None:
    config = ChannelConfig(PAYER.address, PAYER.address, OWNER.address, OWNER.address, OWNER.address, 900, bytes(32))
    escrow = contract(chain.web3, "ChannelEscrow", ESCROW)

    assert chain.web3.eth.chain_id == CHAIN_ID
    assert chain.rpc("net_version")["result"] == str(CHAIN_ID)
    # the escrow builds its EIP-712 domain from the CHAINID opcode
    assert escrow.functions.getChannelId(config.abi_tuple()).call() == config.channel_id(CHAIN_ID)


def test_block_zero_holds_eth_for_every_account_and_the_contracts_of_fixed_address(chain: Chain) -> None:
    for key in dev_accounts()[6:]:
        assert chain.web3.eth.get_balance(key.address, 0) == DEV_BALANCE_WEI
    for name, address in PREDEPLOYED.items():
        assert chain.web3.eth.get_code(address) == load(name).runtime


def test_a_transaction_is_mined_at_once_in_a_block_of_its_own(chain: Chain) -> None:
    before = chain.web3.eth.block_number

    receipt = chain.transfer(PAYER, OWNER.address, 7)

    block = chain.web3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert receipt["blockNumber"] > before
    assert receipt["status"] == 1
    assert receipt["blockHash"] == block["hash"]
    assert [item["hash"] for item in block["transactions"]] == [receipt["transactionHash"]]
    assert block["gasLimit"] == GAS_LIMIT
    assert block["gasUsed"] == receipt["gasUsed"] == receipt["cumulativeGasUsed"]
    assert chain.web3.eth.get_block(block["hash"])["number"] == block["number"]
    assert [item["transactionHash"] for item in chain.web3.eth.get_block_receipts(block["number"])] == [
        receipt["transactionHash"]
    ]


def test_a_transaction_is_found_by_its_hash_and_an_unknown_hash_is_not(chain: Chain) -> None:
    receipt = chain.transfer(PAYER, OWNER.address, 7)

    found = chain.web3.eth.get_transaction(receipt["transactionHash"])

    assert found["from"] == PAYER.address
    assert found["to"] == chain.deployment.open_token
    assert found["chainId"] == CHAIN_ID
    assert found["blockNumber"] == receipt["blockNumber"]
    assert found["gasPrice"] == receipt["effectiveGasPrice"]
    with pytest.raises(TransactionNotFound):
        chain.web3.eth.get_transaction(keccak(b"nothing"))
    with pytest.raises(TransactionNotFound):
        chain.web3.eth.get_transaction_receipt(keccak(b"nothing"))


def test_gas_and_value_leave_the_sender_exactly(chain: Chain) -> None:
    sender = dev_accounts()[21]
    before = chain.web3.eth.get_balance(sender.address)

    receipt = chain.transactor(sender).pay(dev_accounts()[20].address, 12_345)

    spent = 12_345 + receipt["gasUsed"] * receipt["effectiveGasPrice"]
    assert receipt["gasUsed"] == 21_000
    assert chain.web3.eth.get_balance(sender.address) == before - spent
    assert chain.web3.eth.get_balance(sender.address, receipt["blockNumber"] - 1) == before


@pytest.mark.parametrize("fees", [{"gasPrice": 3 * 10**9}, {"gasPrice": 3 * 10**9, "accessList": []}, {}])
def test_every_common_transaction_type_is_mined(chain: Chain, fees: dict[str, object]) -> None:
    if fees:
        fees = {"maxFeePerGas": None, "maxPriorityFeePerGas": None} | fees
    kind = 2 if not fees else 1 if "accessList" in fees else 0

    digest = chain.web3.eth.send_raw_transaction(chain.signed(OWNER, **fees))

    assert chain.web3.eth.wait_for_transaction_receipt(digest)["type"] == kind
    assert chain.web3.eth.get_transaction(digest)["type"] == kind


@pytest.mark.parametrize("fees", [{}, {"gasPrice": 3 * 10**9, "accessList": []}])
@pytest.mark.parametrize("chain_id", [1, 31336, 131277322940537])
def test_a_transaction_for_another_chain_is_refused(chain: Chain, fees: dict[str, object], chain_id: int) -> None:
    if fees:
        fees = {"maxFeePerGas": None, "maxPriorityFeePerGas": None} | fees
    raw = chain.signed(OWNER, chainId=chain_id, **fees)

    with pytest.raises(Web3RPCError, match="chain id"):
        chain.web3.eth.send_raw_transaction(raw)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nonce": 0}, "nonce too low|already known"),
        ({"gas": 20_000}, "intrinsic gas too low"),
        ({"value": 10**30}, "nsufficient funds"),
        ({"maxFeePerGas": 1, "maxPriorityFeePerGas": 1}, "less than block base fee"),
    ],
)
def test_a_transaction_that_cannot_be_mined_is_refused_with_its_reason(
    chain: Chain, change: dict[str, int], reason: str
) -> None:
    with pytest.raises(Web3RPCError, match=reason):
        chain.web3.eth.send_raw_transaction(chain.signed(PAYER, **change))


def test_bytes_that_are_no_transaction_are_refused(chain: Chain) -> None:
    for raw in ("0x", "0x02", "0xdeadbeef", "0x02f8", "0xc0"):
        assert "error" in chain.rpc("eth_sendRawTransaction", raw)


def test_a_mined_revert_has_status_zero_and_moves_nothing(chain: Chain) -> None:
    data = chain.token().encode_abi("transfer", args=[OWNER.address, 10**40])
    raw = chain.signed(PAYER, to=chain.deployment.open_token, data=data, value=0, gas=200_000)

    receipt = chain.web3.eth.wait_for_transaction_receipt(chain.web3.eth.send_raw_transaction(raw))

    assert receipt["status"] == 0
    assert receipt["logs"] == []


@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_a_reverting_call_answers_code_3_with_the_contracts_own_error(chain: Chain, method: str) -> None:
    data = chain.token().encode_abi("transfer", args=[OWNER.address, 10**40])
    message = {"from": PAYER.address, "to": chain.deployment.open_token, "data": data}

    error = chain.rpc(method, message, "latest")["error"]

    selector = keccak(b"ERC20InsufficientBalance(address,uint256,uint256)")[:4]
    revert = bytes.fromhex(error["data"].removeprefix("0x"))
    assert error["code"] == 3
    assert revert[:4] == selector
    holder, _, needed = decode(["address", "uint256", "uint256"], revert[4:])
    assert (holder, needed) == (PAYER.address.lower(), 10**40)
    with pytest.raises(ContractCustomError) as raised:
        chain.token().functions.transfer(OWNER.address, 10**40).call({"from": PAYER.address})
    assert raised.value.data == error["data"]


def test_a_call_changes_nothing(chain: Chain) -> None:
    before = chain.token().functions.balanceOf(OWNER.address).call()

    assert chain.token().functions.transfer(OWNER.address, 5).call({"from": PAYER.address}) is True

    assert chain.token().functions.balanceOf(OWNER.address).call() == before


def test_a_call_sees_the_state_of_the_block_it_names(chain: Chain) -> None:
    receipt = chain.transfer(PAYER, OWNER.address, 11)

    balance = chain.token().functions.balanceOf(OWNER.address)

    assert balance.call() - balance.call(block_identifier=receipt["blockNumber"] - 1) == 11


def test_an_estimate_suffices_and_is_not_wasteful(chain: Chain) -> None:
    transfer = chain.token().functions.transfer(OWNER.address, 5)

    estimate = transfer.estimate_gas({"from": PAYER.address})

    data = chain.token().encode_abi("transfer", args=[OWNER.address, 5])
    raw = chain.signed(PAYER, to=chain.deployment.open_token, data=data, value=0, gas=estimate)
    receipt = chain.web3.eth.wait_for_transaction_receipt(chain.web3.eth.send_raw_transaction(raw))
    assert receipt["status"] == 1
    assert estimate <= receipt["gasUsed"] * 1.1
    assert chain.web3.eth.estimate_gas({"from": PAYER.address, "to": OWNER.address, "value": 1}) == 21_000


def test_logs_are_found_by_a_list_of_addresses_and_topics_in_a_range_of_blocks(chain: Chain) -> None:
    first = chain.transfer(PAYER, OWNER.address, 1)["blockNumber"]
    chain.transfer(PAYER, OPERATOR.address, 2)
    last = chain.transfer(OPERATOR, OWNER.address, 3)["blockNumber"]
    base = {
        "fromBlock": hex(first),
        "toBlock": hex(last),
        "address": [chain.deployment.open_token, chain.deployment.settlement],
    }

    def amounts(**changes: object) -> list[int]:
        return [int(log["data"], 16) for log in chain.rpc("eth_getLogs", base | changes)["result"]]

    to_owner = ["0x" + TRANSFER.hex(), None, topic(OWNER.address)]
    either = ["0x" + TRANSFER.hex(), [topic(PAYER.address), topic(OPERATOR.address)]]
    assert amounts() == [1, 2, 3]
    assert amounts(topics=to_owner) == [1, 3]
    assert amounts(topics=either) == [1, 2, 3]
    assert amounts(topics=[None, topic(OPERATOR.address)]) == [3]
    assert amounts(topics=["0x" + keccak(b"Other()").hex()]) == []
    assert amounts(address=[chain.deployment.settlement]) == []
    assert amounts(address=chain.deployment.open_token) == [1, 2, 3]
    assert amounts(fromBlock=hex(last)) == [3]
    assert amounts(toBlock=hex(last + 1_000)) == [1, 2, 3]


def test_a_log_says_where_it_lies(chain: Chain) -> None:
    receipt = chain.transfer(PAYER, OWNER.address, 9)

    (event,) = chain.token().events.Transfer().get_logs(from_block=receipt["blockNumber"])

    assert event["args"] == {"from": PAYER.address, "to": OWNER.address, "value": 9}
    assert event["blockHash"] == receipt["blockHash"]
    assert event["transactionHash"] == receipt["transactionHash"]
    assert (event["transactionIndex"], event["logIndex"]) == (0, 0)
    assert chain.web3.eth.get_logs({"blockHash": receipt["blockHash"]}) == receipt["logs"]


def test_block_time_follows_the_wall_clock_and_never_runs_ahead_of_it(chain: Chain) -> None:
    start = int(time.time())
    numbers = [chain.transfer(PAYER, OWNER.address, 1)["blockNumber"] for _ in range(20)]
    times = [chain.web3.eth.get_block(number)["timestamp"] for number in range(numbers[0], numbers[-1] + 1)]

    assert times == sorted(times)
    assert start <= times[0]
    assert times[-1] <= time.time()


def test_fees_are_quoted_so_that_a_wallet_can_pay_them(chain: Chain) -> None:
    history = chain.web3.eth.fee_history(4, "latest", [50])

    assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
    assert len(history["reward"]) == len(history["gasUsedRatio"])
    assert chain.web3.eth.gas_price >= history["baseFeePerGas"][-1]
    assert chain.web3.eth.max_priority_fee > 0


def test_storage_and_code_are_readable(chain: Chain) -> None:
    token = chain.deployment.open_token

    assert len(chain.web3.eth.get_storage_at(token, 2)) == 32
    assert chain.web3.eth.get_code(OWNER.address) == b""
    assert chain.web3.eth.get_transaction_count(chain.deployment.settlement) > 0


def test_multicall_reads_many_values_at_one_block(chain: Chain) -> None:
    bound = contract(chain.web3, "Multicall3", MULTICALL3)
    data = chain.token().encode_abi("balanceOf", args=[DEPLOYER.address])

    results = bound.functions.tryAggregate(False, [(chain.deployment.open_token, data)] * 3).call()

    expected = chain.token().functions.balanceOf(DEPLOYER.address).call()
    assert [int.from_bytes(value) for _, value in results] == [expected] * 3


@pytest.mark.parametrize("method", ["eth_getProof", "debug_traceTransaction2", "eth_foo", ""])
def test_a_method_that_does_not_exist_is_answered_with_its_code(chain: Chain, method: str) -> None:
    if method == "eth_getProof" and "anvil" in chain.web3.client_version:
        method = "eth_getProofs"

    assert chain.rpc(method)["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", ["0x12", "latest"]),
        ("eth_getBalance", []),
        ("eth_getBlockByNumber", ["0xzz", False]),
        ("eth_getTransactionReceipt", ["0x12"]),
        ("eth_call", [17, "latest"]),
        ("eth_getLogs", ["latest"]),
    ],
)
def test_a_parameter_of_the_wrong_form_is_answered_with_its_code(
    chain: Chain, method: str, params: list[object]
) -> None:
    assert chain.rpc(method, *params)["error"]["code"] == -32602


def test_a_batch_is_answered_call_by_call_even_if_one_fails(chain: Chain) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": "x", "method": "eth_foo", "params": []},
        {"jsonrpc": "2.0", "id": 9, "method": "eth_blockNumber", "params": []},
    ]

    answers = {answer["id"]: answer for answer in chain.post(calls)}

    assert set(answers) == {7, "x", 9}
    assert answers[7]["result"] == hex(CHAIN_ID)
    assert answers["x"]["error"]["code"] == -32601
