"""Which models get their own label in the metrics."""

from collections import Counter

MAX_LABELS = 50
LEAST_ASKED, LEAST_SHARE = 10, 1 / 400
OTHER, COMPOSITION = "other", "composition"


class AdapterLabels:
    """At most MAX_LABELS models have a label. All others share `other`; compositions of adapters share `composition`.

    The first half of the labels goes to the first models that are requested. A later model gets a label once it has
    LEAST_ASKED requests and LEAST_SHARE of all requests. Labels are never taken back, so no counter ever decreases.
    """

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._total = 0
        self._shown: set[str] = set()

    def of(self, model: str) -> str:
        """The label of a request for `model`. `name@digest` and `base:name` count as `name`."""
        if "*" in model or "+" in model:  # a client can invent any number of compositions
            return COMPOSITION
        name = model.partition("@")[0].rpartition(":")[2]
        self._asked[name] += 1
        self._total += 1
        if name not in self._shown and not self._deserves_label(name):
            return OTHER
        self._shown.add(name)
        return name

    def _deserves_label(self, name: str) -> bool:
        if len(self._shown) < MAX_LABELS // 2:
            return True
        if len(self._shown) >= MAX_LABELS:
            return False
        return self._asked[name] >= max(LEAST_ASKED, LEAST_SHARE * self._total)
