"""What every private chain holds in block 0, whichever engine runs it."""

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
"""Contracts that stand from block 0 at the addresses every x402 SDK and viem expect."""


def predeployed_code() -> dict[Address, bytes]:
    """The runtime code of each predeployed contract."""
    return {address: load(name).runtime for name, address in PREDEPLOYED.items()}
