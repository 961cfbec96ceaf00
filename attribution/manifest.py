"""What an adapter version is made of; its digest goes into the adapter's terms, so every receipt pins it."""

from dataclasses import dataclass
from typing import ClassVar

from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from contracts.eip712 import Struct
from contracts.structs import DatanetLink


@dataclass(frozen=True, slots=True)
class AdapterManifest(Struct):
    """The base, the weights, how they were trained and on which Datanet versions, and who publishes them.

    `manifestDigest` of the terms is its struct hash. `training_digest` and `influence_digest` are 0 where there is no
    training record or influence report.
    """

    TYPE: ClassVar[str] = (
        "AdapterManifest(bytes32 baseDigest,bytes32 adapterDigest,address publisher,uint32 evidencePpm,"
        "bytes32 trainingDigest,bytes32 influenceDigest,DatanetLink[] datanets)"
    )
    base_digest: Bytes32
    adapter_digest: Bytes32
    publisher: Address
    evidence_ppm: int
    training_digest: Bytes32 = ZERO_BYTES32
    influence_digest: Bytes32 = ZERO_BYTES32
    datanets: tuple[DatanetLink, ...] = ()
