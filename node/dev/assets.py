"""The starter pack as assets to register: Datanets with their roots, adapters with their terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from attribution.datanets import (
    Contribution,
    Contributors,
    canonical_bytes,
    canonical_tokens,
    content_root,
    contribution_commit,
)
from contracts.crypto import Address, Bytes32, PrivateKey, keccak
from node.dev.starter import StarterDatanet, StarterPack

PPM = 1_000_000
ROYALTY_PPM = 200_000
DATA_PPM = 500_000
EVIDENCE_PPM = 500_000


@dataclass(frozen=True, slots=True)
class SeedDatanet:
    """A Datanet version to publish. Its steward signs; its contributors share its earnings by weight."""

    name: str
    steward: PrivateKey = field(repr=False)
    content_root: Bytes32
    contributors: Contributors


@dataclass(frozen=True, slots=True)
class SeedAdapter:
    """An adapter version to publish and its terms. datanets: (name, ppm) of the Datanets it was trained on."""

    name: str
    owner: PrivateKey = field(repr=False)
    digest: Bytes32
    datanets: tuple[tuple[str, int], ...]
    royalty_ppm: int = ROYALTY_PPM
    data_ppm: int = DATA_PPM
    evidence_ppm: int = EVIDENCE_PPM


def starter_datanets(pack: StarterPack, accounts: tuple[PrivateKey, ...]) -> list[SeedDatanet]:
    """The pack's Datanets. Stewards and contributors are the development accounts that its manifest names."""
    return [_datanet(datanet, accounts) for datanet in pack.datanets]


def starter_adapters(
    pack: StarterPack, accounts: tuple[PrivateKey, ...], digests: Mapping[str, Bytes32]
) -> list[SeedAdapter]:
    """The pack's adapters. digests: adapter digest by name."""
    return [
        SeedAdapter(adapter.name, accounts[adapter.owner_index], digests[adapter.name], ((adapter.datanet, PPM),))
        for adapter in pack.adapters
    ]


def _datanet(datanet: StarterDatanet, accounts: tuple[PrivateKey, ...]) -> SeedDatanet:
    addresses = [accounts[member.account_index].address for member in datanet.contributors]
    contributions = [
        _contribution(document.id, document.text, addresses[document.contributor], document.licence)
        for document in datanet.documents
    ]
    weights = [member.weight for member in datanet.contributors]
    return SeedDatanet(
        datanet.name,
        accounts[datanet.steward_index],
        content_root(contributions),
        Contributors.of(zip(addresses, weights, strict=True)),
    )


def _contribution(document_id: str, text: str, contributor: Address, licence: str) -> Contribution:
    """A contribution of the pack. Its text is public, so the salt of its commitment need not be secret."""
    salt = keccak(document_id.encode() + canonical_bytes(text))
    return Contribution(contribution_commit(salt, text), canonical_tokens(text), contributor, licence, committed_at=0)
