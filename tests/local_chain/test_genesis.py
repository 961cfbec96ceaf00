"""Block 0 of a private chain."""

from contracts.artifacts import load
from contracts.x402 import ERC3009_COLLECTOR, ESCROW, MULTICALL3
from local_chain.genesis import PREDEPLOYED, predeployed_code


def test_the_predeployed_code_is_that_of_the_artifacts_at_the_addresses_of_the_sdks() -> None:
    assert predeployed_code() == {
        ESCROW: load("ChannelEscrow").runtime,
        ERC3009_COLLECTOR: load("ERC3009DepositCollector").runtime,
        MULTICALL3: load("Multicall3").runtime,
    }


def test_every_predeployed_contract_has_its_own_address() -> None:
    assert len(set(PREDEPLOYED.values())) == len(PREDEPLOYED)
