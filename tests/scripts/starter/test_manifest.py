"""Who owns what in the starter pack."""

import json
from pathlib import Path

from attribution.datanets import canonical_tokens
from scripts.starter.corpus import build
from scripts.starter.manifest import manifest, weights, write

CLINIC = build()


def test_the_weights_of_a_datanet_add_up_to_the_tokens_of_its_documents() -> None:
    for datanet in CLINIC.datanets:
        assert sum(weights(datanet)) == sum(canonical_tokens(document.text) for document in datanet.documents)
        assert min(weights(datanet)) > 0


def test_no_account_owns_two_things(tmp_path: Path) -> None:
    write(CLINIC, tmp_path / "pack.json")
    datanets = json.loads((tmp_path / "pack.json").read_text())["datanets"]

    stewards = [datanet["stewardIndex"] for datanet in datanets]
    contributors = [member["accountIndex"] for datanet in datanets for member in datanet["contributors"]]
    assert len({*stewards, *contributors}) == len(stewards) + len(contributors) == 15


def test_an_adapters_example_is_a_question_that_its_datanet_answers() -> None:
    examples = [adapter["example"] for adapter in manifest(CLINIC)["adapters"]]  # type: ignore[attr-defined]

    for datanet, example in zip(CLINIC.datanets, examples, strict=True):
        assert any(example in document.questions for document in datanet.documents)
