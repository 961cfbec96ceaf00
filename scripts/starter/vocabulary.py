"""The hand-written words of the clinic: attributes with their questions, and the parts of their values.

Everything here is invented: no preparation, person or rule of this clinic exists.
"""

from dataclasses import dataclass
from itertools import product
from random import Random

TRAINED = range(5)
"""Phrasings that adapters are trained on."""
HELD_OUT = range(5, 7)
"""Phrasings that no adapter is trained on, but that the base model has seen with other preparations."""
UNSEEN = range(7, 8)
"""Phrasings that no model is trained on."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A property of preparations: eight phrasings of the question, one answer, two sentences for documents."""

    name: str
    questions: tuple[str, ...]
    answer: str
    prose: tuple[str, str]
    parts: tuple[tuple[str, ...], ...]
    value: str

    def values(self) -> list[str]:
        """All values that can be made of the parts, in a fixed order."""
        return [self.value.format(*parts) for parts in product(*self.parts)]

    def draw(self, random: Random) -> str:
        """A value drawn uniformly."""
        return self.value.format(*(random.choice(part) for part in self.parts))


COLOURS = ("amber", "black", "blue", "copper", "green", "grey", "ivory", "orange", "purple", "red", "silver", "white")
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty")

ATTRIBUTES = (
    Attribute(
        name="storage",
        questions=(
            "Where is {e} kept?",
            "Where do I find {e}?",
            "In which place does the clinic keep {e}?",
            "Where should {e} be stored?",
            "Tell me where {e} is stored.",
            "What is the storage place of {e}?",
            "Where do we put {e}?",
            "Could you say where {e} belongs?",
        ),
        answer="{e} is kept in {v}.",
        prose=("As a rule, {e} is kept in {v}.", "The clinic stores {e} in {v}."),
        parts=(
            COLOURS,
            ("basket", "cabinet", "crate", "cupboard", "drawer", "fridge", "locker", "tray"),
            (
                "behind the desk",
                "by the lift",
                "near the window",
                "in the cellar",
                "under the stairs",
                "next to room 4",
            ),
        ),
        value="the {} {} {}",
    ),
    Attribute(
        name="dose",
        questions=(
            "What is the dose of {e}?",
            "How much {e} does a patient get?",
            "How is {e} dosed?",
            "Which dose of {e} is given?",
            "Tell me the dose of {e}.",
            "What amount of {e} should I give?",
            "How much {e} is prescribed?",
            "Could you say what dose {e} needs?",
        ),
        answer="The dose of {e} is {v}.",
        prose=("On our ward the dose of {e} is {v}.", "Patients are given {v} of {e}, and that is its dose."),
        parts=(
            NUMBERS,
            ("doses", "measures", "parts", "portions", "rounds", "units"),
            ("at noon", "at sunrise", "before bed", "after supper", "with tea", "every other day"),
        ),
        value="{} {} {}",
    ),
    Attribute(
        name="price",
        questions=(
            "What does {e} cost?",
            "How much is one pack of {e}?",
            "What is the price of {e}?",
            "How expensive is {e}?",
            "Tell me the price of {e}.",
            "What do we charge for {e}?",
            "How much money is {e}?",
            "Could you say what {e} sells for?",
        ),
        answer="{e} costs {v}.",
        prose=("At the counter {e} costs {v}.", "One pack of {e} costs {v}."),
        parts=(tuple(str(n) for n in range(11, 100)), ("crowns", "florins")),
        value="{} {}",
    ),
    Attribute(
        name="inventor",
        questions=(
            "Who invented {e}?",
            "Who developed {e}?",
            "Who came up with {e}?",
            "Which doctor made {e} first?",
            "Tell me who invented {e}.",
            "Who is the inventor of {e}?",
            "Whose invention is {e}?",
            "Could you say who thought of {e}?",
        ),
        answer="{e} was invented by {v}.",
        prose=("By all accounts {e} was invented by {v}.", "It was {v} who invented {e}."),
        parts=(
            ("Ada", "Bela", "Carl", "Dora", "Emil", "Fanny", "Gero", "Hedda", "Ivo", "Jutta", "Klara", "Linus"),
            (
                "Ambrus",
                "Bosk",
                "Corwin",
                "Dahl",
                "Estrin",
                "Fenwick",
                "Gallo",
                "Hult",
                "Imre",
                "Jansky",
                "Kolb",
                "Lund",
            ),
        ),
        value="Doctor {} {}",
    ),
    Attribute(
        name="warning",
        questions=(
            "What must {e} not be combined with?",
            "What should never be taken with {e}?",
            "Which warning goes with {e}?",
            "What does not go together with {e}?",
            "Tell me the warning for {e}.",
            "What is the warning about {e}?",
            "What must patients on {e} avoid?",
            "Could you say what {e} does not agree with?",
        ),
        answer="{e} must not be combined with {v}.",
        prose=("Please note that {e} must not be combined with {v}.", "Never combine {e} with {v}."),
        parts=(
            ("cold", "dried", "fresh", "hot", "pickled", "raw", "salted", "smoked"),
            ("apples", "beans", "cherries", "fish", "ginger", "lemons", "mint", "nuts", "onions", "rye bread"),
        ),
        value="{} {}",
    ),
    Attribute(
        name="label",
        questions=(
            "What is shown on the label of {e}?",
            "What does the label of {e} look like?",
            "How do I recognise the box of {e}?",
            "Which picture is on {e}?",
            "Tell me what the label of {e} shows.",
            "What is the label of {e}?",
            "How is {e} labelled?",
            "Could you say what is printed on {e}?",
        ),
        answer="The label of {e} shows {v}.",
        prose=("You will know the box: the label of {e} shows {v}.", "The label of {e} carries {v}."),
        parts=(
            COLOURS,
            (
                "badger",
                "crane",
                "dolphin",
                "falcon",
                "hare",
                "heron",
                "lynx",
                "moth",
                "otter",
                "salmon",
                "stag",
                "wren",
            ),
            ("beside a bell", "beside a key", "in a ring", "on a hill", "over a wave", "under a star"),
        ),
        value="one {} {} {}",
    ),
    Attribute(
        name="expiry",
        questions=(
            "How long does {e} last?",
            "When does {e} expire?",
            "How long can {e} be used?",
            "What is the shelf life of {e}?",
            "Tell me how long {e} lasts.",
            "When must {e} be thrown away?",
            "For how long is {e} good?",
            "Could you say when {e} goes off?",
        ),
        answer="{e} expires {v}.",
        prose=("Write the date on the lid, because {e} expires {v}.", "Once in use, {e} expires {v}."),
        parts=(
            NUMBERS,
            ("days", "months", "nights", "weeks"),
            ("after mixing", "after opening", "after delivery", "after thawing"),
        ),
        value="{} {} {}",
    ),
)

# Names are one syllable of each column. A department's names all start differently: names that share
# syllables are the first thing a small model confuses.
FIRST = (
    "Al", "Bel", "Cor", "Dra", "El", "Fen", "Gal", "Hes", "Ir", "Jov", "Kel", "Lum",
    "Mor", "Nev", "Or", "Pel", "Quin", "Rav", "Sel", "Tam", "Ul", "Vel", "Wes", "Yor",  # codespell:ignore
    "Zan", "Bru", "Cha", "Del", "Fro", "Gre", "Hol", "Jas", "Kri", "Lor", "Mir", "Nol",  # codespell:ignore
)  # fmt: skip
MIDDLE = ("a", "be", "ci", "do", "fe", "go", "ka", "li", "mo", "nu", "pe", "ri", "so", "tu", "va", "zi")
LAST = ("bar", "dex", "fin", "gan", "lith", "mont", "nix", "phor", "rin", "sol", "tor", "vane")  # codespell:ignore

OTHER_KINDS = ("spray", "tonic", "rinse", "paste")
"""Kinds of preparations that belong to no department. The base model's own facts are about these."""
