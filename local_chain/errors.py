"""What can go wrong with a private chain. Every message says what to do about it."""

from pathlib import Path
from typing import Self


class LocalChainError(Exception):
    """Base of all errors of this package."""

    @property
    def kind(self) -> str:
        """The name under which the chain's process reports this error to its parent."""
        return type(self).__name__

    @classmethod
    def from_kind(cls, kind: str, message: str) -> "LocalChainError":
        """The error another process reported."""
        known = {error.__name__: error for error in cls.__subclasses__()}
        return known.get(kind, ChainStartFailed)(message)


class PortInUse(LocalChainError):
    """Another program listens on the port the chain was given."""

    @classmethod
    def at(cls, port: int) -> Self:
        return cls(
            f"port {port} on 127.0.0.1 is in use; stop that program or choose another port (0 takes any free one)"
        )


class HomeInUse(LocalChainError):
    """Another process runs a chain on this home, and it cannot be adopted."""

    @classmethod
    def by(cls, home: Path, owner: str) -> Self:
        return cls(f"the chain in {home} is in use by {owner}; stop that process first or choose another home")


class EngineMissing(LocalChainError):
    """The engine's program or package is not installed."""

    @classmethod
    def of(cls, engine: str, fix: str) -> Self:
        return cls(f"the {engine} engine is not installed: {fix}")


class WrongEngine(LocalChainError):
    """The home holds a chain that the other engine made."""

    @classmethod
    def of(cls, home: Path, made_by: str, asked: str) -> Self:
        return cls(
            f"{home} holds a chain of the {made_by} engine, not of {asked}; start it with --engine {made_by}, "
            "or remove it with `python -m node chain reset`"
        )


class CorruptChain(LocalChainError):
    """The chain's files cannot be read."""

    @classmethod
    def at(cls, path: Path, reason: str) -> Self:
        return cls(f"{path} is damaged ({reason}); restore a backup, or start anew with `python -m node chain reset`")


class ChainStartFailed(LocalChainError):
    """The chain's process ended, or did not answer in time, before it was ready."""


class ChainUnreachable(LocalChainError):
    """Nothing answers JSON-RPC at this URL."""

    @classmethod
    def at(cls, rpc_url: str, reason: object) -> Self:
        return cls(f"no chain answers at {rpc_url} ({reason}); start one with `python -m node chain up`")


class WrongChain(LocalChainError):
    """Not a development chain: keys that everybody knows must not be used on it."""

    @classmethod
    def of(cls, rpc_url: str, chain_id: int, wanted: int) -> Self:
        return cls(f"{rpc_url} has chain id {chain_id}; development accounts are used on chain {wanted} only")


class TransactionFailed(LocalChainError):
    """The chain refused a transaction, or mined it with an error."""


class DeploymentOutdated(LocalChainError):
    """The contracts on this chain were compiled from other sources than those at hand."""

    @classmethod
    def of(cls, name: str) -> Self:
        return cls(
            f"this chain carries another version of {name} than this program; "
            "make a new chain with `python -m node chain reset` (its balances and receipts are lost)"
        )
