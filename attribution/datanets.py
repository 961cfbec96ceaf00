"""Contributions, Datanet versions and their contributors: commitments, Merkle roots, and shares.

Texts stay off the chain so that they can be withdrawn; only commitments, roots and integer weights are registered.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from attribution import merkle
from contracts.crypto import ZERO_BYTES32, Address, Bytes32, address_bytes, keccak
from contracts.encoding import commitment, tagged_hash, uint_word

_CONTRIBUTOR_LEAF_TAG = 0x05
_CONTRIBUTION_LEAF_TAG = 0x06
_UINT64_LIMIT = 1 << 64
_TOKEN = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")


class InvalidDatanet(ValueError):
    """A Datanet version cannot be formed: empty, a duplicate, or a weight out of range."""


def canonical_bytes(text: str) -> bytes:
    """The bytes of a text that its commitment covers: Unicode NFC, line ends as LF, encoded as UTF-8."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).encode()


def canonical_tokens(text: str) -> int:
    """The model-independent token count: each run of [A-Za-z0-9_], or other non-space character, is a token."""
    return len(_TOKEN.findall(unicodedata.normalize("NFC", text)))


def contribution_commit(salt: Bytes32, text: str) -> Bytes32:
    """keccak(salt ‖ canonical bytes): hides the text. Text and salt open it."""
    return commitment(salt, canonical_bytes(text))


@dataclass(frozen=True, slots=True)
class Contribution:
    """An item of a Datanet as it is registered.

    committed_at: unix seconds. cluster: the id of its group of near-duplicates; 0 if it has none.
    """

    commit: Bytes32
    tokens: int
    contributor: Address
    licence: str
    committed_at: int
    cluster: Bytes32 = ZERO_BYTES32

    @property
    def leaf(self) -> Bytes32:
        """H(0x06, commit, tokens, contributor, keccak(licence), committedAt, cluster)."""
        return tagged_hash(
            _CONTRIBUTION_LEAF_TAG,
            self.commit,
            uint_word(self.tokens),
            _address_word(self.contributor),
            keccak(self.licence.encode()),
            uint_word(self.committed_at),
            self.cluster,
        )


def content_root(contributions: Iterable[Contribution]) -> Bytes32:
    """The Merkle root over the contributions of a Datanet version, sorted by commit, so that their order is irrelevant.

    InvalidDatanet for no contributions or a duplicate.
    """
    ordered = sorted(contributions, key=lambda item: item.commit)
    if not ordered:
        raise InvalidDatanet("a Datanet version needs at least one contribution")
    if len({item.commit for item in ordered}) < len(ordered):
        raise InvalidDatanet("a contribution is listed twice")
    return merkle.root_of([item.leaf for item in ordered])


@dataclass(frozen=True, slots=True)
class Contributor:
    """A contributor and its weight: it gets ⌊cumulative·weight/totalWeight⌋ of what its Datanet version earns."""

    address: Address
    weight: int

    @property
    def leaf(self) -> Bytes32:
        """H(0x05, contributor, weight)."""
        return tagged_hash(_CONTRIBUTOR_LEAF_TAG, _address_word(self.address), uint_word(self.weight))


@dataclass(frozen=True, slots=True)
class WeightProof:
    """Proves a contributor's weight in a Datanet version: the index of its leaf and the siblings, bottom-up."""

    contributor: Contributor
    index: int
    path: tuple[Bytes32, ...]

    def verify(self, root: Bytes32, count: int) -> bool:
        """Whether the contributor is leaf `index` of the `count` contributors under `root`."""
        return merkle.verify_path(root, count, self.index, self.contributor.leaf, self.path)


@dataclass(frozen=True, slots=True)
class Contributors:
    """The contributors of one Datanet version, sorted by address and unique."""

    members: tuple[Contributor, ...]

    @classmethod
    def of(cls, weights: Iterable[tuple[Address, int]]) -> "Contributors":
        """From (address, weight) pairs in any order; InvalidDatanet for none, a duplicate or a weight out of range."""
        members = tuple(
            sorted((Contributor(*pair) for pair in weights), key=lambda member: address_bytes(member.address))
        )
        if not members:
            raise InvalidDatanet("a Datanet version needs at least one contributor")
        if len({member.address for member in members}) < len(members):
            raise InvalidDatanet("one contributor is listed twice")
        if min(member.weight for member in members) < 1 or sum(member.weight for member in members) >= _UINT64_LIMIT:
            raise InvalidDatanet("weights are positive and sum to less than 2^64")
        return cls(members)

    @property
    def root(self) -> Bytes32:
        """The contributors root that is registered for the version."""
        return merkle.root_of([member.leaf for member in self.members])

    @property
    def total_weight(self) -> int:
        """The sum of all weights."""
        return sum(member.weight for member in self.members)

    def weight_of(self, address: Address) -> int:
        """The weight of a contributor; 0 for any other address."""
        return next((member.weight for member in self.members if member.address == address), 0)

    def prove(self, address: Address) -> WeightProof:
        """The proof of a contributor's weight; KeyError for any other address."""
        for index, member in enumerate(self.members):
            if member.address == address:
                return WeightProof(member, index, merkle.path_of([other.leaf for other in self.members], index))
        raise KeyError(f"{address} is no contributor")


def share(cumulative: int, weight: int, total_weight: int) -> int:
    """A contributor's total earnings: ⌊cumulative·weight/totalWeight⌋ base units. The remainder stays unpaid."""
    return cumulative * weight // total_weight


def _address_word(address: Address) -> bytes:
    return bytes(12) + address_bytes(address)
