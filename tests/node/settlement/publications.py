"""Published Datanet versions."""

from dataclasses import dataclass

from attribution.datanets import Contributors
from contracts.crypto import Bytes32
from node.chain.events import DatanetPublished
from tests.attribution.ledgers import key, word

NET = word("net")


MEMBERS = Contributors.of([(key(100 + number).address, number + 1) for number in range(3)])


@dataclass(frozen=True)
class Chain:
    """Has published version 1 of one Datanet."""

    contributors: Contributors = MEMBERS

    def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished | None:
        if (datanet_id, version) != (NET, 1):
            return None
        root, weight = self.contributors.root, self.contributors.total_weight
        return DatanetPublished(NET, 1, word("content"), root, weight, len(self.contributors.members), 1_000)
