"""Which models have series of their own in the metrics."""

from collections import Counter

MAX_LABELS = 50
LEAST_ASKED, LEAST_SHARE = 10, 1 / 400
OTHER, COMPOSITION = "other", "composition"


class AdapterLabels:
    """At most MAX_LABELS models by name; all others share `other`, sums of adapters share `composition`.

    The first half is given to whoever comes first. The rest is for those that come to be asked for LEAST_ASKED times,
    and for LEAST_SHARE of all requests. A label once given stays: every counter only ever grows, `other` included.
    """

    def __init__(self) -> None:
        self._asked: Counter[str] = Counter()
        self._total = 0
        self._shown: set[str] = set()

    def of(self, model: str) -> str:
        """The label of a request for `model`. `name@digest` and `base:name` count as `name`."""
        if "*" in model or "+" in model:  # anybody may write as many different ones as they like
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
