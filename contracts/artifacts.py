"""The compiled contracts. `npm --prefix contracts run compile` writes them; a test proves that they match src/."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parent / "artifacts"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract: its ABI, the bytecode that deploys it, and the runtime code that is then on the chain.

    `runtime` has zeros where the constructor writes immutables. Contracts placed as bare code have no immutables.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes


@cache
def load(name: str) -> Artifact:
    """The artifact of the contract `name`. Raises KeyError that lists the known names if there is none."""
    path = _HOME / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(artifact.stem for artifact in _HOME.glob("*.json")))
        raise KeyError(f"no compiled contract {name!r}; there are: {known}")
    document = json.loads(path.read_text())
    return Artifact(
        name=document["contractName"],
        abi=document["abi"],
        bytecode=bytes.fromhex(document["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(document["deployedBytecode"].removeprefix("0x")),
    )
