"""The starter pack: a small base model, three adapters and their Datanets. Reading it does not load a model."""

import json
from dataclasses import dataclass
from pathlib import Path

BASE_NAME = "clinic-base"
HOME = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class StarterContributor:
    """The author of `contributor-<n>.jsonl`: a development account. weight: the canonical tokens it contributed."""

    account_index: int
    weight: int


@dataclass(frozen=True, slots=True)
class StarterDocument:
    """One contribution: a short text and the questions it answers. contributor: an index within the Datanet, from 0."""

    id: str
    contributor: int
    licence: str
    text: str
    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class StarterDatanet:
    """A Datanet of the pack. `steward_index`: the development account that publishes it."""

    name: str
    path: Path
    steward_index: int
    contributors: tuple[StarterContributor, ...]
    documents: tuple[StarterDocument, ...]


@dataclass(frozen=True, slots=True)
class StarterAdapter:
    """A PEFT adapter. datanet: the name of its training data; example: a question that it can answer."""

    name: str
    path: Path
    owner_index: int
    datanet: str
    example: str


@dataclass(frozen=True, slots=True)
class StarterPack:
    """The base model, its adapters and their Datanets."""

    base_name: str
    base: Path
    adapters: tuple[StarterAdapter, ...]
    datanets: tuple[StarterDatanet, ...]


def pack(home: Path = HOME) -> StarterPack:
    """Reads the pack that the manifest `pack.json` lists."""
    manifest = json.loads((home / "pack.json").read_text(encoding="utf-8"))
    datanets = tuple(
        StarterDatanet(
            name=row["name"],
            path=home / "datanets" / row["name"],
            steward_index=row["stewardIndex"],
            contributors=tuple(StarterContributor(c["accountIndex"], c["weight"]) for c in row["contributors"]),
            documents=_documents(home / "datanets" / row["name"], len(row["contributors"])),
        )
        for row in manifest["datanets"]
    )
    adapters = tuple(
        StarterAdapter(row["name"], home / "adapters" / row["name"], row["ownerIndex"], row["datanet"], row["example"])
        for row in manifest["adapters"]
    )
    return StarterPack(manifest["base"], home / "base", adapters, datanets)


def _documents(folder: Path, contributors: int) -> tuple[StarterDocument, ...]:
    return tuple(
        StarterDocument(row["id"], contributor, row["licence"], row["text"], tuple(row["questions"]), row["answer"])
        for contributor in range(contributors)
        for row in map(json.loads, _lines(folder / f"contributor-{contributor + 1}.jsonl"))
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
