"""Errors of a private chain. Every message says what to do about it."""

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
        """The error that another process reported under `kind`; ChainStartFailed for an unknown kind."""
        known = {error.__name__: error for error in cls.__subclasses__()}
        return known.get(kind, ChainStartFailed)(message)


class PortInUse(LocalChainError):
    """Another program listens on the chain's port."""

    @classmethod
    def at(cls, port: int) -> Self:
        """The error for a port on 127.0.0.1."""
        return cls(
            f"port {port} on 127.0.0.1 is in use; stop that program or choose another port (0 takes any free port)"
        )


class HomeInUse(LocalChainError):
    """Another process runs a chain on this home, and it cannot be adopted."""

    @classmethod
    def by(cls, home: Path, owner: str) -> Self:
        """The error for a home that `owner`, a description of a process, uses."""
        return cls(f"the chain in {home} is in use by {owner}; stop that process first or choose another home")


class EngineMissing(LocalChainError):
    """The engine's program or package is not installed."""

    @classmethod
    def of(cls, engine: str, fix: str) -> Self:
        """The error for an engine, with what to do to install it."""
        return cls(f"the {engine} engine is not installed: {fix}")


class WrongEngine(LocalChainError):
    """The home holds a chain of the other engine."""

    @classmethod
    def of(cls, home: Path, made_by: str, asked: str) -> Self:
        """The error for a home whose chain the engine `made_by` created, when `asked` is requested."""
        return cls(
            f"{home} holds a chain of the {made_by} engine, not of the {asked} engine; "
            f"start it with --engine {made_by}, or remove it with `python -m node chain reset`"
        )


class CorruptChain(LocalChainError):
    """The chain's files cannot be read."""

    @classmethod
    def at(cls, path: Path, reason: str) -> Self:
        """The error for a file and why it cannot be read."""
        return cls(
            f"{path} is damaged ({reason}); restore a backup, or start a new chain with `python -m node chain reset`"
        )


class ChainStartFailed(LocalChainError):
    """The chain's process ended before it was ready, or did not answer in time."""


class ChainUnreachable(LocalChainError):
    """Nothing answers JSON-RPC at this URL."""

    @classmethod
    def at(cls, rpc_url: str, reason: object) -> Self:
        """The error for a URL and why the call failed."""
        return cls(f"no chain answers at {rpc_url} ({reason}); start one with `python -m node chain up`")


class WrongChain(LocalChainError):
    """The chain is not a development chain, so publicly known keys must not be used on it."""

    @classmethod
    def of(cls, rpc_url: str, chain_id: int, wanted: int) -> Self:
        """The error for a URL, the chain id it has and the one that is required."""
        return cls(f"{rpc_url} has chain id {chain_id}; development accounts are used on chain {wanted} only")


class TransactionFailed(LocalChainError):
    """The chain refused a transaction, or mined it with an error."""


class DeploymentOutdated(LocalChainError):
    """The contracts on this chain were compiled from other sources than those of this program."""

    @classmethod
    def of(cls, name: str) -> Self:
        """The error for the contract whose code differs."""
        return cls(
            f"this chain holds another version of {name} than this program; "
            "make a new chain with `python -m node chain reset` (its balances and receipts are lost)"
        )
