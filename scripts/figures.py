"""Write the measured figures into README.md, between the markers that name them, and the plot, from committed JSON.

`--check` changes nothing. It exits 1 if README or plot differ from the measurements, or if a measurement was made with
code that differs from the commit it names.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.lab.bars import Reached, bar_results
from benchmarks.lab.scoreboard import measured_text
from benchmarks.plot import panels, svg
from benchmarks.provenance import DIRTY
from benchmarks.result import FORMAT

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PLOT = ROOT / "docs" / "adapters.svg"
DEPARTMENTS = ("dermatology", "cardiology", "nutrition")
RESULTS = "benchmarks/results"
PROFILES = ("cpu", "ci", "gpu")
MODELS = {"cpu": "the 135M model", "ci": "the 8 MB model", "gpu": "the 8B model"}


def quality() -> str:
    """The table of answers by department and model: exact answers, with refusals in brackets."""
    results = _load("node/dev/starter/quality.json")["results"]
    rows = [
        "| asked about | " + " | ".join(["the base", *(f"`{name}`" for name in DEPARTMENTS)]) + " |",
        "|---|---|---|---|---|",
    ]
    for department in DEPARTMENTS:
        cells = [results["held_out"][model][department] for model in ("base", *DEPARTMENTS)]
        texts = [f"{cell['exact_percent']:.1f} % ({cell['refused_percent']:.1f} %)" for cell in cells]
        rows.append(f"| {department} | " + " | ".join(texts) + " |")
    unseen = [f"{results['unseen'][name][name]['exact_percent']:.0f} %" for name in DEPARTMENTS]
    asked = results["held_out"]["base"][DEPARTMENTS[0]]["asked"]
    note = (
        f"Exact answers (and refusals) to {asked} questions per cell. No adapter was trained on these phrasings; "
        "the base has seen them with other subjects. In a phrasing that neither has seen, the right adapters answer "
        f"{', '.join(unseen)}."
    )
    return "\n".join([*rows, "", note])


GAS_ROWS = {
    "deposit into a channel": "escrow.deposit",
    "post a batch with any number of receipts": "settlement.post",
    "claim vouchers of one channel": "vault.claimVouchers 1 channel",
    "sweep the vault": "vault.sweep",
    "claim of an adapter owner": "settlement.claim",
    "claim of a Datanet contributor": "settlement.claimShare",
    "a whole cycle of 4,096 receipts over 50 channels": "cycle of 4096 receipts over 50 channels",
}


def gas() -> str:
    """The table of the settlement transactions' gas."""
    measured = {name: int(value) for name, value in _load("contracts/test/snapshots/gas.json").items()}
    rows = [
        f"| {what} | {measured[f'{name} first']:,} | {measured[f'{name} later']:,} |" for what, name in GAS_ROWS.items()
    ]
    return "\n".join(["| gas | first time | later |", "|---|---|---|", *rows])


def paid_request() -> str:
    """The table of what payment adds to a request."""
    document = _load(f"{RESULTS}/paid_request.json")
    rows = ["| output tokens | unpaid, median ms | paid, median ms | paid / unpaid |", "|---|---|---|---|"]
    for case in document["figures"]["cases"]:
        rows.append(
            f"| {case['output_tokens']} | {case['unpaid_ms']:.1f} | {case['paid_ms']:.1f} | {case['ratio']:.2f} |"
        )
    return "\n".join([*rows, "", _measured_on(document)])


def clinic() -> str:
    """The table of three dedicated models against one node."""
    document = _load(f"{RESULTS}/clinic.json")
    rows = ["| | three dedicated models | one node, three adapters |", "|---|---|---|"]
    for row in document["figures"]["rows"]:
        rows.append(f"| {row['what']} | {row['dedicated']} | {row['one_node']} |")
    return "\n".join([*rows, "", _measured_on(document)])


def bars() -> str:
    """The table of performance bars with what was measured, what was missed, the plot, and the machines."""
    rows = ["| figure | bar | measured (95 % interval) | |", "|---|---|---|---|"]
    notes, missed = [], {}
    for profile in PROFILES:
        scenarios = _scenarios(profile)
        for result in bar_results(profile, scenarios):
            row = result.row()
            if result.reached is Reached.NO:
                missed[profile] = missed.get(profile, 0) + 1
            rows.append(f"| {row['figure']} | {row['bar']} | {measured_text(row)} | {row['reached']} |")
        notes.append(f"`{profile}` profile: {_measured_where(scenarios)}")
    picture = [f"![{_PLOTTED}](docs/{PLOT.name})", ""] if plot() else []
    return "\n".join([*rows, "", *_missed(missed), *picture, "  \n".join(notes)])


def _missed(by_profile: dict[str, int]) -> list[str]:
    """Which profiles the missed bars belong to, followed by an empty line; nothing if none is missed.

    by_profile: number of missed bars.
    """
    if not by_profile:
        return []
    parts = [f"{count} {_bars_of(count)} the `{name}` profile, {MODELS[name]}" for name, count in by_profile.items()]
    text = f"Missed: {'; '.join(parts)}."
    adapters = _scenarios("cpu").get("adapters", {}).get("compared", {}).get("distinct adapters / no adapter")
    if adapters and "cpu" not in by_profile:
        text += (
            f" On {MODELS['cpu']} 32 distinct adapters cost {100 * (1 - adapters['median']):.0f} % of the throughput."
        )
    return [text, ""]


def _bars_of(count: int) -> str:
    return "bar of" if count == 1 else "bars of"


_PLOTTED = "Tokens per second and p99 time to first token against the number of registered adapters, ci profile"


def plot() -> str | None:
    """The plot as SVG; None if its scenario was not measured."""
    scale = _scenarios("ci").get("scale")
    return None if scale is None else svg(panels(scale), _PLOTTED)


def _scenarios(profile: str) -> dict[str, Any]:
    """The profile's measured scenarios; none if the result is of a shortened run or in an old format."""
    path = ROOT / f"{RESULTS}/switchbench_{profile}.json"
    document = _load(str(path)) if path.exists() else {}
    if document.get("format") != FORMAT or document["profile"]["grid"] != "standard":
        return {}
    scenarios: dict[str, Any] = document["scenarios"]
    return scenarios


def _measured_where(scenarios: dict[str, Any]) -> str:
    """Machines and commits of the scenarios, and how busy other processes kept the processors."""
    if not scenarios:
        return "not measured yet."
    places: dict[str, set[str]] = {}
    for scenario in scenarios.values():
        machine = scenario["machine"]
        place = f"{machine['processor']}, {machine['cores']} cores, {scenario['threads']} threads"
        places.setdefault(place, set()).add(f"`{scenario['commit']}`")
    where = "; ".join(f"{place}, at commit {', '.join(sorted(commits))}" for place, commits in places.items())
    shares = [each["othersShare"] for each in scenarios.values() if each["othersShare"] is not None]
    return f"{where}. {_busy(max(shares))}" if shares else f"{where}."


def _busy(share: float) -> str:
    percent = 100 * share
    most = "less than 1 %" if percent < 1 else f"at most {percent:.0f} %"
    return f"Other processes used {most} of the processors."


BLOCKS: dict[str, Callable[[], str]] = {
    "quality": quality,
    "bars": bars,
    "gas": gas,
    "paid-request": paid_request,
    "clinic": clinic,
}


def filled(text: str) -> str:
    """`text` with every block between `<!-- figures:NAME -->` and `<!-- end -->` generated again.

    Exits with a message if a block is missing.
    """
    for name, make in BLOCKS.items():
        pattern = re.compile(rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no block <!-- figures:{name} -->")
        block = make()
        text = pattern.sub(lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text)
    return text


def dirty_results(folder: Path) -> Iterator[str]:
    """Every result in `folder` that was measured with uncommitted code, as a line that names it."""
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text())
        scenarios = {f" scenario {name}": each for name, each in document.get("scenarios", {}).items()}
        for place, measured in {"": document, **scenarios}.items():
            commit = measured.get("commit", "")
            if commit.endswith(DIRTY):
                yield f"{path.name}{place}: measured at {commit}, which no one can repeat; measure it again"


def _measured_on(document: dict[str, Any]) -> str:
    machine = document["machine"]
    return f"Measured on {machine['processor']}, {machine['cores']} cores, at commit `{document['commit']}`."


def _load(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


def main() -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    current = {README: filled(README.read_text()), PLOT: plot()}
    stale = [path for path, text in current.items() if text != (path.read_text() if path.exists() else None)]
    if options.check:
        faults = [
            f"{path.relative_to(ROOT)} does not show the committed measurements; run: make figures" for path in stale
        ]
        faults += dirty_results(ROOT / RESULTS)
        print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
        return int(bool(faults))
    for path in stale:
        text = current[path]
        path.unlink() if text is None else path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
