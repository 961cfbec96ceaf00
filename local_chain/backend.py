"""The interface of both engines of a private chain."""

from pathlib import Path
from typing import Literal, Protocol, get_args

Engine = Literal["pyevm", "anvil"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

HOST = "127.0.0.1"
"""Both engines listen on loopback only: their keys are publicly known."""


class ChainBackend(Protocol):
    """A chain of id 31337 that answers Ethereum JSON-RPC over HTTP on 127.0.0.1.

    Block 0 holds the development accounts' ETH and the code of `genesis.predeployed_code`. Every transaction is mined
    at once in its own block. The next start continues the chain from the files in `home`.
    """

    engine: Engine
    home: Path

    @property
    def rpc_url(self) -> str:
        """Where the chain answers; valid after `start`."""

    def start(self, port: int) -> None:
        """Opens or creates the chain; returns once it answers. Port 0 takes any free port. Raises LocalChainError."""

    def running(self) -> bool:
        """Whether the engine runs: False before `start`, after `stop`, and if it ended by itself."""

    def stop(self) -> None:
        """Makes every block durable and stops answering."""
