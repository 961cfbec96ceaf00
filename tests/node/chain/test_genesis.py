"""A chain is known by its block 0."""

import pytest

from node.chain.errors import ChainReplaced
from node.chain.genesis import check_genesis
from node.chain.memory import MemoryChain


async def test_the_chain_of_the_deployment_is_accepted_and_another_one_refused() -> None:
    chain = MemoryChain()
    first = await chain.block(0)
    assert first is not None

    await check_genesis(chain, "0x" + first.hash.hex())
    with pytest.raises(ChainReplaced, match="new home or database"):
        await check_genesis(chain, "0x" + "00" * 32)
