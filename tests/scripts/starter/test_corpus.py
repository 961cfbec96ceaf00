"""What the clinic knows: the committed Datanets are what the scripts make, and they are a fair test of attribution."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

from node.dev.starter import HOME
from scripts.starter import corpus
from scripts.starter.samples import adapter_epochs, base_stream
from scripts.starter.vocabulary import ATTRIBUTES, HELD_OUT, TRAINED, UNSEEN

CLINIC = corpus.build()


def texts(stream_length: int, seed: int = 0) -> str:
    """What the base model reads, as one text."""
    samples = islice(base_stream(CLINIC, Random(seed)), stream_length)
    return "\n".join(
        " ".join([sample.document or "", *(text for turn in sample.turns for text in turn)]) for sample in samples
    )


def test_the_committed_datanets_are_what_the_scripts_write(tmp_path: Path) -> None:
    corpus.write(CLINIC, tmp_path / "datanets")

    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    committed = {path.relative_to(HOME): path.read_bytes() for path in HOME.rglob("*.jsonl")}
    assert made == committed


def test_each_department_has_sixty_facts_about_twelve_preparations() -> None:
    for datanet in CLINIC.datanets:
        assert len(datanet.facts) == 60
        assert len(datanet.entities) == 12


def test_names_and_values_are_unique_over_the_whole_clinic() -> None:
    facts = [fact for datanet in CLINIC.datanets for fact in datanet.facts] + list(CLINIC.known)
    names = [entity for datanet in CLINIC.datanets for entity in datanet.entities]

    assert len({(fact.attribute.name, fact.value) for fact in facts}) == len(facts)
    assert len(CLINIC.names) == len(names) == 36


def test_the_names_of_a_department_start_differently() -> None:
    for datanet in CLINIC.datanets:
        assert len({entity[:2] for entity in datanet.entities}) == 12


def test_one_preparation_of_each_department_has_two_writers() -> None:
    for datanet in CLINIC.datanets:
        first_writers = Counter((fact.entity, fact.contributors[0]) for fact in datanet.facts)
        shared = [entity for entity, count in Counter(entity for entity, _ in first_writers).items() if count == 2]

        assert shared == [datanet.entities[corpus.SPLIT_ENTITY]]


def test_one_fact_of_each_department_stands_in_documents_of_two_contributors() -> None:
    for datanet in CLINIC.datanets:
        documents = {document.id: document for document in datanet.documents}
        twice = [fact for fact in datanet.facts if len(fact.documents) == 2]

        assert len(twice) == 1
        assert len(set(twice[0].contributors)) == 2
        for fact in datanet.facts:
            assert all(fact.value in documents[document].text for document in fact.documents)


def test_phrasings_are_disjoint_and_differ() -> None:
    assert (list(TRAINED), list(HELD_OUT), list(UNSEEN)) == ([0, 1, 2, 3, 4], [5, 6], [7])
    assert all(len(set(attribute.questions)) == 8 for attribute in ATTRIBUTES)


def test_the_base_never_reads_a_departments_preparation_or_an_unseen_phrasing() -> None:
    read = texts(4000)

    assert not [name for name in CLINIC.names if name in read]
    assert "Could you" not in read


def test_an_adapter_never_reads_a_held_out_phrasing() -> None:
    held_out = [attribute.questions[i] for attribute in ATTRIBUTES for i in (*HELD_OUT, *UNSEEN)]
    phrasing = re.compile("|".join(re.escape(question).replace(r"\{e\}", r"\w+ \w+") for question in held_out))

    for datanet in CLINIC.datanets:
        samples = islice(adapter_epochs(CLINIC, datanet, Random(0)), 3000)
        asked = {question for sample in samples for question, _ in sample.turns}

        assert not [question for question in asked if phrasing.fullmatch(question)]


def test_the_streams_depend_on_their_seed_alone() -> None:
    assert texts(50, seed=1) == texts(50, seed=1)
    assert texts(50, seed=1) != texts(50, seed=2)
