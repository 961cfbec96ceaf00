"""What an adapter version consists of. Its digest is part of the adapter's terms, so every receipt pins it."""

from dataclasses import dataclass
from typing import ClassVar

from contracts.crypto import ZERO_BYTES32, Address, Bytes32
from contracts.eip712 import Struct
from contracts.structs import DatanetLink


@dataclass(frozen=True, slots=True)
class AdapterManifest(Struct):
    """The base model, the weights, how and on which Datanet versions they were trained, and who publishes them.

    `manifestDigest` of the terms is its struct hash. `training_digest` and `influence_digest` are 0 if there is no
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
