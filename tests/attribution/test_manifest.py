"""The digest of an adapter's manifest changes with everything that the adapter is made of."""

from attribution.manifest import AdapterManifest
from contracts.crypto import ZERO_BYTES32
from contracts.structs import DatanetLink
from tests.attribution.ledgers import OWNERS, word


def test_a_manifest_digest_binds_every_part() -> None:
    link = DatanetLink(word("net"), 1, 1_000_000)
    manifest = AdapterManifest(word("base"), word("adapter"), OWNERS[0], 500_000, datanets=(link,))

    others = [
        AdapterManifest(word("base 2"), word("adapter"), OWNERS[0], 500_000, datanets=(link,)),
        AdapterManifest(word("base"), word("adapter 2"), OWNERS[0], 500_000, datanets=(link,)),
        AdapterManifest(word("base"), word("adapter"), OWNERS[1], 500_000, datanets=(link,)),
        AdapterManifest(word("base"), word("adapter"), OWNERS[0], 500_001, datanets=(link,)),
        AdapterManifest(word("base"), word("adapter"), OWNERS[0], 500_000),
    ]

    assert len({manifest.struct_hash(), *(other.struct_hash() for other in others)}) == 6
    assert AdapterManifest.from_json(manifest.to_json()) == manifest


def test_what_is_not_known_about_the_training_is_zero() -> None:
    manifest = AdapterManifest(word("base"), word("adapter"), OWNERS[0], 0)

    assert manifest.training_digest == manifest.influence_digest == ZERO_BYTES32
    assert manifest.datanets == ()
