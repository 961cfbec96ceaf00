"""Lists of the contributors to Datanet versions. They are files, and are used only if the chain has their root."""

import json
from pathlib import Path
from typing import Protocol

from attribution.datanets import Contributors, InvalidDatanet
from contracts.crypto import Bytes32, to_address
from contracts.eip712 import parse_bytes32
from node.chain.events import DatanetPublished
from node.settlement.errors import ContributorsForged, ContributorsUnknown


class Publications(Protocol):
    """The published Datanet versions. Implemented by `ChainRegistrations`."""

    def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished | None:
        """The publication of a Datanet version; None if it is not published."""
        ...


class DatanetFiles:
    """A folder with one JSON file per Datanet version: {datanetId, version, contributors: [{address, weight}]}."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[Bytes32, int], Contributors] = {}

    @classmethod
    def of_home(cls, home: Path) -> "DatanetFiles":
        """The lists of a home."""
        return cls(home / "datanets")

    def add(self, datanet_id: Bytes32, version: int, contributors: Contributors) -> Path:
        """Writes the list of a Datanet version."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(datanet_id, version)
        document = {
            "datanetId": "0x" + datanet_id.hex(),
            "version": version,
            "contributors": [
                {"address": member.address, "weight": str(member.weight)} for member in contributors.members
            ],
        }
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(document, indent=1) + "\n")
        partial.replace(path)
        return path

    def contributors(self, datanet_id: Bytes32, version: int, publications: Publications) -> Contributors:
        """The contributors of a published version.

        Raises ContributorsUnknown if there is no file, ContributorsForged if its root is not the registered root.
        """
        key = datanet_id, version
        if key not in self._known:
            self._known[key] = self._read(datanet_id, version, publications)
        return self._known[key]

    def _read(self, datanet_id: Bytes32, version: int, publications: Publications) -> Contributors:
        published, path = publications.datanet(datanet_id, version), self._path(datanet_id, version)
        if published is None or not path.is_file():
            raise ContributorsUnknown(datanet_id, version)
        try:
            document = json.loads(path.read_text())
            named = parse_bytes32(document["datanetId"]), document["version"]
            members = [(to_address(row["address"]), int(row["weight"])) for row in document["contributors"]]
            made = Contributors.of(members)
        except (ValueError, KeyError, TypeError, InvalidDatanet) as error:
            raise ContributorsForged(datanet_id, version) from error
        genuine = made.root == published.contributors_root and made.total_weight == published.total_weight
        if named != (datanet_id, version) or not genuine:
            raise ContributorsForged(datanet_id, version)
        return made

    def _path(self, datanet_id: Bytes32, version: int) -> Path:
        return self._folder / f"{datanet_id.hex()}-{version}.json"
