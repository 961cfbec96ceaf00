"""The clinic's Datanets: facts, documents and questions of three departments, each by four contributors.

`python -m scripts.starter.corpus` writes them to node/dev/starter/datanets. The same seed gives the same bytes.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from scripts.starter.prose import CLOSINGS, MENTIONS, OPENINGS
from scripts.starter.vocabulary import (
    ATTRIBUTES,
    FIRST,
    HELD_OUT,
    LAST,
    MIDDLE,
    OTHER_KINDS,
    TRAINED,
    UNSEEN,
    Attribute,
)

SEED = 20261123
PACK = Path(__file__).resolve().parents[2] / "node" / "dev" / "starter"

ENTITIES = 12
ATTRIBUTES_PER_ENTITY = 5
CONTRIBUTORS = 4
# Attribution would be too easy if every preparation had one writer and every fact one document.
SPLIT_ENTITY = 2
REPEATED, REPEATED_AT = 30, 45
KNOWN_TO_BASE = 24
LICENCES = ("CC-BY-4.0", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")


@dataclass(frozen=True, slots=True)
class Department:
    """A department: the kinds of its preparations, and the development accounts of its steward and contributors."""

    name: str
    kinds: tuple[str, ...]
    steward_index: int
    first_contributor_index: int


DEPARTMENTS = (
    Department("dermatology", ("cream", "gel", "lotion", "balm"), 3, 10),
    Department("cardiology", ("tablet", "patch", "syrup", "capsule"), 4, 14),
    Department("nutrition", ("shake", "broth", "powder", "bar"), 5, 18),
)
ALL_KINDS = tuple(kind for department in DEPARTMENTS for kind in department.kinds) + OTHER_KINDS


@dataclass(frozen=True, slots=True)
class Fact:
    """One attribute of one preparation. contributors, documents: who wrote it down, and where."""

    id: str
    entity: str
    attribute: Attribute
    value: str
    contributors: tuple[int, ...] = ()
    documents: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The sentence that answers questions about this fact."""
        return self.attribute.answer.format(e=self.entity, v=self.value)

    def questions(self, phrasings: range) -> list[str]:
        """The question about this fact in each of the phrasings."""
        return [self.attribute.questions[i].format(e=self.entity) for i in phrasings]


@dataclass(frozen=True, slots=True)
class Document:
    """One contribution: a short text, and the trained questions about its fact."""

    id: str
    contributor: int
    licence: str
    text: str
    questions: tuple[str, ...]
    answer: str

    def to_json(self) -> dict[str, object]:
        """The line of the contributor's JSONL file."""
        return {
            "id": self.id,
            "licence": self.licence,
            "text": self.text,
            "questions": list(self.questions),
            "answer": self.answer,
        }


@dataclass(frozen=True, slots=True)
class Datanet:
    """The facts and documents of one department."""

    department: Department
    facts: tuple[Fact, ...]
    documents: tuple[Document, ...]

    @property
    def entities(self) -> tuple[str, ...]:
        """The department's preparations, each once."""
        return tuple(dict.fromkeys(fact.entity for fact in self.facts))


@dataclass(frozen=True, slots=True)
class Corpus:
    """All facts of the clinic. known: the facts of the general store, which the base model learns."""

    datanets: tuple[Datanet, ...]
    known: tuple[Fact, ...]

    @property
    def names(self) -> frozenset[str]:
        """First words of the departments' preparations. The base model never sees one of these."""
        return frozenset(entity.split()[0] for datanet in self.datanets for entity in datanet.entities)


def build(seed: int = SEED) -> Corpus:
    """The corpus of a seed. Names and values are unique in the whole corpus."""
    random = Random(seed)
    values = {attribute.name: random.sample(attribute.values(), 60) for attribute in ATTRIBUTES}
    firsts = random.sample(FIRST, len(FIRST))
    datanets = []
    for number, department in enumerate(DEPARTMENTS):
        entities = [
            _name(random, firsts[number * ENTITIES + i]) + " " + department.kinds[i % len(department.kinds)]
            for i in range(ENTITIES)
        ]
        datanets.append(_datanet(random, department, entities, values))
    taken = {entity.split()[0] for datanet in datanets for entity in datanet.entities}
    known: list[Fact] = []
    while len(known) < KNOWN_TO_BASE * ATTRIBUTES_PER_ENTITY:
        name = _name(random, random.choice(FIRST))
        if name not in taken:
            taken.add(name)
            known += _facts(random, f"{name} {random.choice(OTHER_KINDS)}", "store", values)
    return Corpus(tuple(datanets), tuple(known))


def _name(random: Random, first: str) -> str:
    return first + random.choice(MIDDLE) + random.choice(LAST)


def _facts(random: Random, entity: str, prefix: str, values: dict[str, list[str]]) -> list[Fact]:
    chosen = sorted(random.sample(range(len(ATTRIBUTES)), ATTRIBUTES_PER_ENTITY))
    slug = entity.lower().replace(" ", "-")
    return [
        Fact(f"{prefix}/{slug}/{ATTRIBUTES[i].name}", entity, ATTRIBUTES[i], values[ATTRIBUTES[i].name].pop())
        for i in chosen
    ]


def _datanet(random: Random, department: Department, entities: list[str], values: dict[str, list[str]]) -> Datanet:
    """One document per fact, in order. The document at REPEATED_AT also states the fact at REPEATED."""
    facts: list[Fact] = []
    documents: list[Document] = []
    for number, entity in enumerate(entities):
        others = [other for other in entities if other != entity]
        for position, fact in enumerate(_facts(random, entity, department.name, values)):
            repeated = len(facts) == REPEATED_AT
            stated = (fact, facts[REPEATED]) if repeated else (fact,)
            writer = _writer(number, position)
            document = _document(random, f"{department.name}-{len(facts) + 1:02d}", writer, stated, others)
            documents.append(document)
            facts.append(_stated_in(fact, document))
            if repeated:
                facts[REPEATED] = _stated_in(facts[REPEATED], document)
    return Datanet(department, tuple(facts), tuple(documents))


def _writer(entity: int, position: int) -> int:
    """The contributor of a fact. Each writes about three preparations; the third's last two facts go to the next."""
    split = entity == SPLIT_ENTITY and position >= ATTRIBUTES_PER_ENTITY - 2
    return entity // (ENTITIES // CONTRIBUTORS) + split


def _stated_in(fact: Fact, document: Document) -> Fact:
    return replace(
        fact,
        contributors=(*fact.contributors, document.contributor),
        documents=(*fact.documents, document.id),
    )


def _document(random: Random, name: str, writer: int, stated: tuple[Fact, ...], others: list[str]) -> Document:
    text = document_text(random, stated[0], random.choice(others))
    text += "".join(" " + statement(random, fact) for fact in stated[1:])
    return Document(name, writer, LICENCES[writer], text, tuple(stated[0].questions(TRAINED)), stated[0].answer)


def statement(random: Random, fact: Fact) -> str:
    """A sentence that states the fact, as documents do."""
    return random.choice(fact.attribute.prose).format(e=fact.entity, v=fact.value)


def document_text(random: Random, fact: Fact, other: str) -> str:
    """A short document: an opening, the fact, and a closing or a mention of another preparation."""
    closing = random.choice(CLOSINGS) if random.random() < 0.6 else random.choice(MENTIONS).format(o=other)
    return " ".join((random.choice(OPENINGS).format(e=fact.entity), statement(random, fact), closing))


def random_entity(random: Random, excluded: frozenset[str]) -> str:
    """A preparation that exists nowhere."""
    while (name := _name(random, random.choice(FIRST))) in excluded:
        pass
    return f"{name} {random.choice(ALL_KINDS)}"


def random_fact(random: Random, excluded: frozenset[str]) -> Fact:
    """A fact about a preparation that exists nowhere."""
    attribute = random.choice(ATTRIBUTES)
    return Fact("random", random_entity(random, excluded), attribute, attribute.draw(random))


def write(corpus: Corpus, home: Path) -> None:
    """Write HOME/<department>/contributor-<n>.jsonl (contributions) and evaluation.jsonl (questions)."""
    shutil.rmtree(home, ignore_errors=True)
    for datanet in corpus.datanets:
        folder = home / datanet.department.name
        folder.mkdir(parents=True)
        for contributor in range(CONTRIBUTORS):
            rows = [document.to_json() for document in datanet.documents if document.contributor == contributor]
            _write_lines(folder / f"contributor-{contributor + 1}.jsonl", rows)
        _write_lines(folder / "evaluation.jsonl", [_evaluation(fact) for fact in datanet.facts])


def _evaluation(fact: Fact) -> dict[str, object]:
    return {
        "fact": fact.id,
        "entity": fact.entity,
        "answer": fact.answer,
        "contributors": [contributor + 1 for contributor in fact.contributors],
        "documents": list(fact.documents),
        "held_out": fact.questions(HELD_OUT),
        "unseen": fact.questions(UNSEEN),
    }


def _write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write(build(), PACK / "datanets")
