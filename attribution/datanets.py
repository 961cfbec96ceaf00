"""Contributions, Datanet versions and their contributors: commitments, roots, and who gets which part.

Rows stay off the chain so that they can be withdrawn; only commitments, roots and integer weights are registered.
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
    """The bytes of a text that its commitment covers: NFC, line ends as LF, UTF-8."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).encode()


def canonical_tokens(text: str) -> int:
    """How many tokens a text has, whatever the model: runs of [A-Za-z0-9_] or one other character that is no space."""
    return len(_TOKEN.findall(unicodedata.normalize("NFC", text)))


def contribution_commit(salt: Bytes32, text: str) -> Bytes32:
    """keccak(salt ‖ canonical bytes): hides the text, and opens to whoever holds text and salt."""
    return commitment(salt, canonical_bytes(text))


@dataclass(frozen=True, slots=True)
class Contribution:
    """One item of a Datanet as it is registered. `cluster` names its group of near-duplicates (0: alone)."""

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
    """The root over the contributions of a Datanet version, sorted by commit, so their order does not matter."""
    ordered = sorted(contributions, key=lambda item: item.commit)
    if not ordered:
        raise InvalidDatanet("a Datanet version needs at least one contribution")
    if len({item.commit for item in ordered}) < len(ordered):
        raise InvalidDatanet("one contribution is listed twice")
    return merkle.root_of([item.leaf for item in ordered])


@dataclass(frozen=True, slots=True)
class Contributor:
    """Somebody who gets ⌊cumulative·weight/totalWeight⌋ of what a Datanet version earns."""

    address: Address
    weight: int

    @property
    def leaf(self) -> Bytes32:
        """H(0x05, contributor, weight)."""
        return tagged_hash(_CONTRIBUTOR_LEAF_TAG, _address_word(self.address), uint_word(self.weight))


@dataclass(frozen=True, slots=True)
class WeightProof:
    """That a contributor has this weight in a Datanet version: its leaf's index and siblings, bottom-up."""

    contributor: Contributor
    index: int
    path: tuple[Bytes32, ...]

    def verify(self, root: Bytes32, count: int) -> bool:
        """Whether this is leaf `index` of the `count` contributors under `root`."""
        return merkle.verify_path(root, count, self.index, self.contributor.leaf, self.path)


@dataclass(frozen=True, slots=True)
class Contributors:
    """The contributors of one Datanet version, sorted by address and unique."""

    members: tuple[Contributor, ...]

    @classmethod
    def of(cls, weights: Iterable[tuple[Address, int]]) -> "Contributors":
        """From (address, weight) pairs in any order; InvalidDatanet for none, a duplicate or a weight out of range."""
        members = tuple(sorted((Contributor(*pair) for pair in weights), key=lambda one: address_bytes(one.address)))
        if not members:
            raise InvalidDatanet("a Datanet version needs at least one contributor")
        if len({one.address for one in members}) < len(members):
            raise InvalidDatanet("one contributor is listed twice")
        if min(one.weight for one in members) < 1 or sum(one.weight for one in members) >= _UINT64_LIMIT:
            raise InvalidDatanet("weights are positive and sum to less than 2^64")
        return cls(members)

    @property
    def root(self) -> Bytes32:
        return merkle.root_of([one.leaf for one in self.members])

    @property
    def total_weight(self) -> int:
        return sum(one.weight for one in self.members)

    def weight_of(self, address: Address) -> int:
        """The weight of a contributor; 0 for anybody else."""
        return next((one.weight for one in self.members if one.address == address), 0)

    def prove(self, address: Address) -> WeightProof:
        """The proof of a contributor's weight; KeyError for anybody else."""
        for index, one in enumerate(self.members):
            if one.address == address:
                return WeightProof(one, index, merkle.path_of([other.leaf for other in self.members], index))
        raise KeyError(f"{address} is no contributor")


def share(cumulative: int, weight: int, total_weight: int) -> int:
    """What a contributor of `weight` has earned in all: ⌊cumulative·weight/totalWeight⌋. The dust stays unpaid."""
    return cumulative * weight // total_weight


def _address_word(address: Address) -> bytes:
    return bytes(12) + address_bytes(address)
