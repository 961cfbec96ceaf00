"""Whether an endpoint serves the chain on which the contracts were deployed."""

from node.chain.client import ChainClient
from node.chain.errors import ChainReplaced


async def check_genesis(client: ChainClient, genesis_hash: str) -> None:
    """Compares the hash of the chain's block 0 with that of the deployment, 0x hex.

    A wiped or replaced chain may have the same chain id; the balances and batches of the old one do not exist on it.
    Raises ChainReplaced, or ChainError if the endpoint does not answer.
    """
    first = await client.block(0)
    found = "0x" + first.hash.hex() if first is not None else "none"
    if found != genesis_hash.lower():
        raise ChainReplaced(genesis_hash, found)
