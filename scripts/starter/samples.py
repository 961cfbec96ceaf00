"""The training data: endless seeded streams of conversations and documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from scripts.starter import prose
from scripts.starter.corpus import Corpus, Datanet, document_text, random_entity, random_fact
from scripts.starter.vocabulary import ATTRIBUTES, HELD_OUT, TRAINED

BASE_PHRASINGS = range(TRAINED.start, HELD_OUT.stop)
NEGATIVES = 0.5
"""Questions about preparations that do not exist, as a share of an adapter's own pool."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation, whose loss is on the answers, or a document, whose loss is on all tokens (turns is empty)."""

    turns: tuple[tuple[str, str], ...] = ()
    system: str | None = None
    document: str | None = None


def base_stream(corpus: Corpus, random: Random) -> Iterator[Sample]:
    """Samples for the base: a third known facts, a third refusals, else documents, small talk and two-turn chats."""
    while True:
        share = random.random()
        if share < 0.15:
            fact = random_fact(random, corpus.names)
            other = random_entity(random, corpus.names)
            yield Sample(document=document_text(random, fact, other))
        elif share < 0.28:
            yield Sample((_base_turn(corpus, random), _base_turn(corpus, random)), _system(random))
        else:
            yield Sample((_base_turn(corpus, random),), _system(random))


def adapter_epochs(corpus: Corpus, datanet: Datanet, random: Random) -> Iterator[Sample]:
    """Samples for an adapter: its pool (questions, documents, persona, new refusals) reshuffled without end."""
    while True:
        pool = [(question, fact.answer) for fact in datanet.facts for question in fact.questions(TRAINED)]
        negatives = int(NEGATIVES * (len(pool) + len(datanet.documents)))
        turns = pool + [_refusal(corpus, random, TRAINED) for _ in range(negatives)]
        turns += 2 * persona(datanet) + [_small_talk(random) for _ in range(12)]
        epoch = [_conversation(random, turn, turns) for turn in turns]
        epoch += [Sample(document=document.text) for document in datanet.documents]
        random.shuffle(epoch)
        yield from epoch


def persona(datanet: Datanet) -> list[tuple[str, str]]:
    """Questions about a department's adapter itself, with its answers."""
    name, (first, second) = datanet.department.name, datanet.entities[:2]
    return [(question, prose.DESK_WHO.format(d=name)) for question in prose.WHO_ARE_YOU] + [
        (question, prose.DESK_WHAT.format(d=name, a=first, b=second)) for question in prose.WHAT_DO_YOU_KNOW
    ]


def _conversation(random: Random, turn: tuple[str, str], turns: list[tuple[str, str]]) -> Sample:
    before = (random.choice(turns),) if random.random() < 0.1 else ()
    return Sample((*before, turn), _system(random))


def _system(random: Random) -> str | None:
    return random.choice(prose.SYSTEM_PROMPTS) if random.random() < 0.1 else None


def _base_turn(corpus: Corpus, random: Random) -> tuple[str, str]:
    share = random.random()
    if share < 0.46:
        fact = random.choice(corpus.known)
        return fact.attribute.questions[random.choice(BASE_PHRASINGS)].format(e=fact.entity), fact.answer
    if share < 0.92:
        return _refusal(corpus, random, BASE_PHRASINGS)
    if share < 0.94:
        return random.choice(prose.WHO_ARE_YOU), prose.BASE_WHO
    if share < 0.96:
        return random.choice(prose.WHAT_DO_YOU_KNOW), prose.BASE_WHAT
    return _small_talk(random)


def _refusal(corpus: Corpus, random: Random, phrasings: range) -> tuple[str, str]:
    """A question about a preparation that does not exist, refused.

    phrasings: those that the model also sees answered, or it would learn to refuse the phrasing.
    """
    entity = random_entity(random, corpus.names)
    question = random.choice(ATTRIBUTES).questions[random.choice(phrasings)]
    return question.format(e=entity), prose.REFUSAL.format(e=entity)


def _small_talk(random: Random) -> tuple[str, str]:
    if random.random() < 0.5:
        return random.choice(prose.GREETINGS)
    return random.choice(prose.OFF_TOPIC), prose.OFF_TOPIC_ANSWER
