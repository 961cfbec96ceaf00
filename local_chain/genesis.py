"""Block 0 of every private chain: chain id, balances and predeployed contracts. It is the same for both engines."""

from contracts.artifacts import load
from contracts.crypto import Address
from contracts.x402 import ERC3009_COLLECTOR, ESCROW, MULTICALL3

CHAIN_ID = 31337
GAS_LIMIT = 60_000_000
DEV_BALANCE_WEI = 10_000 * 10**18

PREDEPLOYED: dict[str, Address] = {
    "ChannelEscrow": ESCROW,
    "ERC3009DepositCollector": ERC3009_COLLECTOR,
    "Multicall3": MULTICALL3,
}
"""Contracts that exist from block 0 on, at the addresses that the x402 SDKs and viem expect."""


def predeployed_code() -> dict[Address, bytes]:
    """The runtime code of each predeployed contract, by its address."""
    return {address: load(name).runtime for name, address in PREDEPLOYED.items()}
