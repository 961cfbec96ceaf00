"""The x402 `batch-settlement` scheme on EVM: addresses, signed structs and hashes.

Source: the x402 v2 specification, scheme `batch-settlement` on EVM; addresses as in the x402 SDKs 2.25.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from contracts.crypto import Address, Bytes32, keccak, to_address
from contracts.eip712 import Domain, Struct

ESCROW = to_address("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003")
ERC3009_COLLECTOR = to_address("0x4020806089470a89826cB9fB1f4059150b550004")
MULTICALL3 = to_address("0xcA11bde05977b3631167028862bE2a173976CA11")

MIN_WITHDRAW_DELAY_S = 900
MAX_WITHDRAW_DELAY_S = 2_592_000
"""The bounds of `withdrawDelay`, the time between a payer's withdrawal request and its payout."""


def x402_domain(chain_id: int) -> Domain:
    """The EIP-712 domain of channel ids, vouchers and refunds on one chain."""
    return Domain("x402 Batch Settlement", "1", chain_id, ESCROW)


@dataclass(frozen=True, slots=True)
class ChannelConfig(Struct):
    """Everything that identifies a channel; its digest on a chain is the channel id."""

    TYPE: ClassVar[str] = (
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,"
        "address token,uint40 withdrawDelay,bytes32 salt)"
    )
    payer: Address
    payer_authorizer: Address
    receiver: Address
    receiver_authorizer: Address
    token: Address
    withdraw_delay: int
    salt: Bytes32

    def channel_id(self, chain_id: int) -> Bytes32:
        """The channel's id on one chain."""
        return _channel_id(self, chain_id)


@lru_cache(maxsize=4096)
def _channel_id(config: ChannelConfig, chain_id: int) -> Bytes32:
    return config.digest(x402_domain(chain_id))


@dataclass(frozen=True, slots=True)
class Voucher(Struct):
    """A payer's cumulative promise: the receiver may claim up to this much from the channel in total."""

    TYPE: ClassVar[str] = "Voucher(bytes32 channelId,uint128 maxClaimableAmount)"
    channel_id: Bytes32
    max_claimable_amount: int


@dataclass(frozen=True, slots=True)
class Refund(Struct):
    """The receiver's consent to return part of a channel's unclaimed balance to the payer at once."""

    TYPE: ClassVar[str] = "Refund(bytes32 channelId,uint256 nonce,uint128 amount)"
    channel_id: Bytes32
    nonce: int
    amount: int


@dataclass(frozen=True, slots=True)
class ReceiveWithAuthorization(Struct):
    """ERC-3009: the payer lets `to` pull `value` base units once. Signed under the token's own domain."""

    TYPE: ClassVar[str] = (
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        "uint256 validBefore,bytes32 nonce)"
    )
    from_: Address
    to: Address
    value: int
    valid_after: int
    valid_before: int
    nonce: Bytes32


def deposit_nonce(channel_id: Bytes32, salt: int) -> Bytes32:
    """The ERC-3009 nonce of a deposit: keccak256(abi.encode(channelId, salt)), so it funds no other channel."""
    return keccak(channel_id + salt.to_bytes(32))
