"""Ids, digests, addresses and interfaces are those of the stock x402 SDK, in Python and on the chain."""

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st
from x402.mechanisms.evm import constants as evm
from x402.mechanisms.evm.batch_settlement import authorizer_signer, constants, encoding, types, utils
from x402.mechanisms.evm.batch_settlement.abi import BATCH_SETTLEMENT_ABI

from contracts import x402
from contracts.artifacts import load
from contracts.crypto import Bytes32
from tests.contracts.machine import CHAIN_ID
from tests.contracts.test_structs import WORDS, values_of
from tests.contracts.world import OPEN, World, key

CONFIGS = values_of(x402.ChannelConfig)
AMOUNTS = st.integers(0, 2**128 - 1)


def sdk_config(config: x402.ChannelConfig) -> types.ChannelConfig:
    return types.ChannelConfig(
        payer=config.payer,
        payer_authorizer=config.payer_authorizer,
        receiver=config.receiver,
        receiver_authorizer=config.receiver_authorizer,
        token=config.token,
        withdraw_delay=config.withdraw_delay,
        salt="0x" + config.salt.hex(),
    )


def sdk_digest(kinds: dict[str, Any], message: dict[str, Any], chain_id: int) -> bytes:
    domain = utils.get_batch_settlement_eip712_domain(chain_id)
    return bytes(_hash_eip191_message(encode_typed_data(domain, kinds, message)))


def test_the_addresses_and_bounds_are_the_sdk_s() -> None:
    assert str(x402.ESCROW) == constants.BATCH_SETTLEMENT_ADDRESS
    assert str(x402.ERC3009_COLLECTOR) == constants.ERC3009_DEPOSIT_COLLECTOR_ADDRESS
    assert x402.MULTICALL3 == evm.MULTICALL3_ADDRESS
    assert x402.MIN_WITHDRAW_DELAY_S == constants.MIN_WITHDRAW_DELAY
    assert x402.MAX_WITHDRAW_DELAY_S == constants.MAX_WITHDRAW_DELAY


@settings(deadline=None)
@given(CONFIGS, st.integers(1, 2**63))
def test_a_channel_id_is_the_sdk_s(config: x402.ChannelConfig, chain_id: int) -> None:
    assert "0x" + config.channel_id(chain_id).hex() == utils.compute_channel_id(sdk_config(config), chain_id)


@settings(deadline=None)
@given(WORDS, AMOUNTS, st.integers(0, 2**256 - 1))
def test_vouchers_and_refunds_are_signed_as_the_sdk_signs_them(channel_id: Bytes32, amount: int, nonce: int) -> None:
    domain = x402.x402_domain(CHAIN_ID)
    voucher = {"channelId": channel_id, "maxClaimableAmount": amount}
    refund = {"channelId": channel_id, "nonce": nonce, "amount": amount}

    assert x402.Voucher(channel_id, amount).digest(domain) == sdk_digest(constants.VOUCHER_TYPES, voucher, CHAIN_ID)
    assert x402.Refund(channel_id, nonce, amount).digest(domain) == sdk_digest(constants.REFUND_TYPES, refund, CHAIN_ID)


@settings(deadline=None)
@given(WORDS, st.integers(0, 2**256 - 1))
def test_a_deposit_nonce_is_the_sdk_s(channel_id: Bytes32, salt: int) -> None:
    expected = encoding.build_erc3009_deposit_nonce("0x" + channel_id.hex(), hex(salt))

    assert "0x" + x402.deposit_nonce(channel_id, salt).hex() == expected


def test_the_consent_to_a_deposit_has_the_sdk_s_type() -> None:
    fields = constants.RECEIVE_AUTHORIZATION_TYPES["ReceiveWithAuthorization"]
    listed = ",".join(f"{field['type']} {field['name']}" for field in fields)

    assert f"ReceiveWithAuthorization({listed})" == x402.ReceiveWithAuthorization.TYPE


def shape(item: dict[str, Any]) -> Any:
    """What matters of an ABI entry to whoever encodes calls, decodes answers or filters logs."""

    def kinds(entries: list[dict[str, Any]]) -> list[Any]:
        return [(e["name"], e["type"], e.get("indexed"), kinds(e.get("components", []))) for e in entries]

    return (
        item["type"],
        item["name"],
        kinds(item["inputs"]),
        kinds(item.get("outputs", [])),
        item.get("stateMutability"),
    )


@pytest.mark.parametrize("entry", BATCH_SETTLEMENT_ABI, ids=lambda entry: entry["name"])
def test_the_escrow_has_every_entry_of_the_sdk_s_abi(entry: dict[str, Any]) -> None:
    ours = {json.dumps(shape(item)) for item in load("ChannelEscrow").abi if "name" in item and item["type"] != "error"}

    assert json.dumps(shape(entry)) in ours


def test_multicall_has_the_entry_that_the_sdk_reads_with() -> None:
    (entry,) = evm.MULTICALL3_TRY_AGGREGATE_ABI
    (ours,) = [item for item in load("Multicall3").abi if item.get("name") == "tryAggregate"]

    assert json.dumps(shape(ours)) == json.dumps(shape(entry))


@settings(max_examples=50, deadline=None)
@given(CONFIGS, AMOUNTS, st.integers(0, 2**256 - 1))
def test_the_escrow_computes_the_same_ids_and_digests(
    world: World, config: x402.ChannelConfig, amount: int, nonce: int
) -> None:
    channel_id = config.channel_id(CHAIN_ID)
    domain = x402.x402_domain(CHAIN_ID)
    read, escrow = world.machine.read, world.escrow

    assert read(escrow, "getChannelId", config.abi_tuple()) == channel_id
    assert read(escrow, "getVoucherDigest", channel_id, amount) == x402.Voucher(channel_id, amount).digest(domain)
    assert read(escrow, "getRefundDigest", channel_id, nonce, amount) == x402.Refund(channel_id, nonce, amount).digest(
        domain
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CONFIGS, AMOUNTS, AMOUNTS), max_size=4))
def test_a_claim_batch_has_the_sdk_s_digest(world: World, rows: list[tuple[x402.ChannelConfig, int, int]]) -> None:
    claims = [((config.abi_tuple(), maximum), b"", total) for config, maximum, total in rows]
    entries = [
        {"channelId": config.channel_id(CHAIN_ID), "maxClaimableAmount": maximum, "totalClaimed": total}
        for config, maximum, total in rows
    ]

    digest = world.machine.read(world.escrow, "getClaimBatchDigest", claims)

    assert digest == sdk_digest(constants.CLAIM_BATCH_TYPES, {"claims": entries}, CHAIN_ID)


def sdk_deposit_data(world: World, channel_id: str, until: int) -> bytes:
    """What the SDK makes of the payer's consent to put 100 OPEN into a channel."""
    salt = "0x" + "5a" * 32
    consent = encode_typed_data(
        {"name": "OPEN", "version": "1", "chainId": CHAIN_ID, "verifyingContract": world.token.address},
        constants.RECEIVE_AUTHORIZATION_TYPES,
        {
            "from": world.payer.address,
            "to": constants.ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
            "value": 100 * OPEN,
            "validAfter": 0,
            "validBefore": until,
            "nonce": bytes.fromhex(encoding.build_erc3009_deposit_nonce(channel_id, salt)[2:]),
        },
    )
    signature = Account.from_key(world.payer.secret).sign_message(consent).signature.hex()
    return encoding.build_erc3009_collector_data("0", str(until), salt, signature)


def sdk_voucher_signature(world: World, channel_id: str) -> bytes:
    """The payer's signature, made as the SDK makes it, of a voucher over 60 OPEN."""
    voucher = encode_typed_data(
        utils.get_batch_settlement_eip712_domain(CHAIN_ID),
        constants.VOUCHER_TYPES,
        {"channelId": bytes.fromhex(channel_id[2:]), "maxClaimableAmount": 60 * OPEN},
    )
    return bytes(Account.from_key(world.payer.secret).sign_message(voucher).signature)


def test_what_the_stock_sdk_builds_and_signs_is_taken_by_the_escrow() -> None:
    """Deposit data, voucher, batch and refund signatures of the SDK, relayed to our contracts."""
    world = World()
    machine, escrow, receiver = world.machine, world.escrow, key("receiver")
    payer, token = world.payer.address, world.token.address
    config = x402.ChannelConfig(payer, payer, receiver.address, receiver.address, token, 900, Bytes32(bytes(32)))
    channel_id = utils.compute_channel_id(sdk_config(config), CHAIN_ID)
    signer = authorizer_signer.LocalAuthorizerSigner(receiver.secret.hex())

    data = sdk_deposit_data(world, channel_id, machine.now + 60)
    machine.send(receiver.address, escrow, "deposit", config.abi_tuple(), 100 * OPEN, x402.ERC3009_COLLECTOR, data)

    voucher_signature = sdk_voucher_signature(world, channel_id)
    claim = types.VoucherClaim(
        channel=sdk_config(config),
        max_claimable_amount=str(60 * OPEN),
        signature="0x" + voucher_signature.hex(),
        total_claimed=str(40 * OPEN),
    )
    batch = bytes.fromhex(authorizer_signer.sign_claim_batch(signer, [claim], f"eip155:{CHAIN_ID}")[2:])
    rows = [((config.abi_tuple(), 60 * OPEN), voucher_signature, 40 * OPEN)]
    machine.send(world.admin.address, escrow, "claimWithSignature", rows, batch)

    refund = authorizer_signer.sign_refund(signer, channel_id, str(10 * OPEN), "0", f"eip155:{CHAIN_ID}")
    arguments = (config.abi_tuple(), 10 * OPEN, 0, bytes.fromhex(refund[2:]))
    machine.send(world.admin.address, escrow, "refundWithSignature", *arguments)
    machine.send(world.admin.address, escrow, "settle", receiver.address, token)

    assert machine.read(escrow, "channels", bytes.fromhex(channel_id[2:])) == (90 * OPEN, 40 * OPEN)
    assert world.balance(receiver.address) == 40 * OPEN
