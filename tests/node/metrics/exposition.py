"""What a scrape of the metrics reads."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from node.metrics.metrics import Metrics


def told(metrics: Metrics | CollectorRegistry) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample by its name."""
    text = metrics.text() if isinstance(metrics, Metrics) else generate_latest(metrics)
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found
