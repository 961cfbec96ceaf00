"""What both engines of a private chain offer."""

from pathlib import Path
from typing import Literal, Protocol, get_args

Engine = Literal["pyevm", "anvil"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


class ChainBackend(Protocol):
    """A chain of id 31337 that answers Ethereum JSON-RPC over HTTP on 127.0.0.1.

    Block 0 holds the development accounts' ETH and the code of `genesis.predeployed_code`. Every transaction is mined
    at once in a block of its own. The files in `home` continue the chain at the next start.
    """

    engine: Engine
    home: Path

    @property
    def rpc_url(self) -> str:
        """Where the chain answers; valid after `start`."""

    def start(self, port: int) -> None:
        """Opens or makes the chain and returns once it answers. Port 0 takes any free one. Raises LocalChainError."""

    def running(self) -> bool:
        """Whether the chain still answers, or has ended by itself."""

    def stop(self) -> None:
        """Makes everything durable and stops answering."""
