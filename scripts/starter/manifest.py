"""`python -m scripts.starter.manifest`: writes node/dev/starter/pack.json, the pack's contents and their owners."""

import json
from pathlib import Path

from attribution.datanets import canonical_tokens
from scripts.starter.corpus import CONTRIBUTORS, PACK, Corpus, Datanet, build
from scripts.starter.train_adapter import BASE_NAME
from scripts.starter.vocabulary import TRAINED


def weights(datanet: Datanet) -> list[int]:
    """The weight of each contributor: the number of canonical tokens of its documents."""
    return [
        sum(canonical_tokens(document.text) for document in datanet.documents if document.contributor == contributor)
        for contributor in range(CONTRIBUTORS)
    ]


def manifest(corpus: Corpus) -> dict[str, object]:
    """The content of pack.json."""
    return {
        "base": BASE_NAME,
        "adapters": [
            {
                "name": datanet.department.name,
                "ownerIndex": datanet.department.steward_index,
                "datanet": datanet.department.name,
                "example": datanet.facts[0].questions(TRAINED)[0],
            }
            for datanet in corpus.datanets
        ],
        "datanets": [
            {
                "name": datanet.department.name,
                "stewardIndex": datanet.department.steward_index,
                "contributors": [
                    {"accountIndex": datanet.department.first_contributor_index + n, "weight": weight}
                    for n, weight in enumerate(weights(datanet))
                ],
            }
            for datanet in corpus.datanets
        ],
    }


def write(corpus: Corpus, path: Path) -> None:
    """Write the manifest to `path`."""
    path.write_text(json.dumps(manifest(corpus), indent=2) + "\n")


if __name__ == "__main__":
    write(build(), PACK / "pack.json")
