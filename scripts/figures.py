"""Write the measured figures into README.md, between markers that name them, and the plot, from the committed JSON.

`--check` changes nothing and exits 1 if README or plot differ from the measurements.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.lab.bars import standings
from benchmarks.lab.scoreboard import shown
from benchmarks.plot import panels, svg
from benchmarks.provenance import FORMAT

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PLOT = ROOT / "docs" / "adapters.svg"
DEPARTMENTS = ("dermatology", "cardiology", "nutrition")
PROFILES = ("cpu", "ci", "gpu")


def quality() -> str:
    """Who answers whose questions: exact answers, and refusals in brackets, on held-out phrasings."""
    results = _load("node/dev/starter/quality.json")["results"]
    rows = [
        "| asked about | " + " | ".join(["the base", *(f"`{name}`" for name in DEPARTMENTS)]) + " |",
        "|---|---|---|---|---|",
    ]
    for department in DEPARTMENTS:
        cells = [results["held_out"][model][department] for model in ("base", *DEPARTMENTS)]
        shown = [f"{cell['exact_percent']:.1f} % ({cell['refused_percent']:.1f} %)" for cell in cells]
        rows.append(f"| {department} | " + " | ".join(shown) + " |")
    unseen = [f"{results['unseen'][name][name]['exact_percent']:.0f} %" for name in DEPARTMENTS]
    asked = results["held_out"]["base"][DEPARTMENTS[0]]["asked"]
    note = (
        f"Exact answers (and refusals) to {asked} questions per cell, in phrasings the adapters were not trained on "
        "but the base knows from other subjects. In a phrasing that neither ever saw, the right adapters answer "
        f"{', '.join(unseen)}."
    )
    return "\n".join([*rows, "", note])


GAS_ROWS = {
    "deposit into a channel": "escrow.deposit",
    "post a batch, of any number of receipts": "settlement.post",
    "claim vouchers of one channel": "vault.claimVouchers 1 channel",
    "sweep the vault": "vault.sweep",
    "claim by an adapter's owner": "settlement.claim",
    "claim by a contributor to a Datanet": "settlement.claimShare",
}


def gas() -> str:
    """What each transaction of the settlement costs."""
    measured = {name: int(value) for name, value in _load("contracts/test/snapshots/gas.json").items()}
    rows = [
        f"| {what} | {measured[f'{name} first']:,} | {measured[f'{name} later']:,} |" for what, name in GAS_ROWS.items()
    ]
    return "\n".join(["| gas of | the first time | later |", "|---|---|---|", *rows])


def paid_request() -> str:
    """What payment adds to a request."""
    document = _load("benchmarks/results/paid_request.json")
    rows = ["| output tokens | unpaid, median ms | paid, median ms | paid / unpaid |", "|---|---|---|---|"]
    for case in document["figures"]["cases"]:
        rows.append(
            f"| {case['output_tokens']} | {case['unpaid_ms']:.1f} | {case['paid_ms']:.1f} | {case['ratio']:.2f} |"
        )
    return "\n".join([*rows, "", _measured_on(document)])


def clinic() -> str:
    """Three dedicated models against one node."""
    document = _load("benchmarks/results/clinic.json")
    rows = ["| | three dedicated models | one node, three adapters |", "|---|---|---|"]
    for row in document["figures"]["rows"]:
        rows.append(f"| {row['what']} | {row['dedicated']} | {row['one_node']} |")
    return "\n".join([*rows, "", _measured_on(document)])


def bars() -> str:
    """Every figure the node must reach, next to what was measured; with the plot once there is one."""
    rows = ["| figure | bar | measured (95 % interval) | |", "|---|---|---|---|"]
    notes = []
    for profile in PROFILES:
        scenarios = _scenarios(profile)
        for standing in standings(profile, scenarios):
            row = standing.row()
            rows.append(f"| {row['figure']} | {row['bar']} | {shown(row)} | {row['reached']} |")
        notes.append(f"`{profile}` profile: {_measured_where(scenarios)}")
    picture = [f"![{_PLOTTED}](docs/{PLOT.name})", ""] if plot() else []
    return "\n".join([*rows, "", *picture, "  \n".join(notes)])


_PLOTTED = "Tokens per second and p99 time to first token against the number of registered adapters, ci profile"


def plot() -> str | None:
    """The picture; None if what it shows was not measured."""
    scale = _scenarios("ci").get("scale")
    return None if scale is None else svg(panels(scale), _PLOTTED)


def _scenarios(profile: str) -> dict[str, Any]:
    """What was measured in the profile as it stands; a shortened run and an old result count for nothing."""
    path = ROOT / f"benchmarks/results/switchbench_{profile}.json"
    document = _load(str(path)) if path.exists() else {}
    if document.get("format") != FORMAT or document["profile"]["grid"] != "standard":
        return {}
    scenarios: dict[str, Any] = document["scenarios"]
    return scenarios


def _measured_where(scenarios: dict[str, Any]) -> str:
    """The machines and commits, one of each unless scenarios were measured at different times, and how busy it was."""
    if not scenarios:
        return "not measured yet."
    places: dict[str, set[str]] = {}
    for found in scenarios.values():
        machine = found["machine"]
        place = f"{machine['processor']}, {machine['cores']} cores, {found['threads']} threads"
        places.setdefault(place, set()).add(f"`{found['commit']}`")
    told = "; ".join(f"{place}, at commit {', '.join(sorted(commits))}" for place, commits in places.items())
    shares = [found["othersShare"] for found in scenarios.values() if found["othersShare"] is not None]
    return (
        f"{told}. Other processes took at most {100 * max(shares):.0f} % of the processors." if shares else f"{told}."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "quality": quality,
    "bars": bars,
    "gas": gas,
    "paid-request": paid_request,
    "clinic": clinic,
}


def filled(text: str) -> str:
    """`text` with every block between `<!-- figures:NAME -->` and `<!-- end -->` made anew."""
    for name, make in BLOCKS.items():
        pattern = re.compile(rf"(<!-- figures:{name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"README.md has no block <!-- figures:{name} -->")
        block = make()
        text = pattern.sub(lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text)
    return text


def _measured_on(document: dict[str, Any]) -> str:
    machine = document["machine"]
    return f"Measured on {machine['processor']}, {machine['cores']} cores, at commit `{document['commit']}`."


def _load(path: str) -> Any:
    return json.loads((ROOT / path).read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    current = {README: filled(README.read_text()), PLOT: plot()}
    stale = [path for path, text in current.items() if text != (path.read_text() if path.exists() else None)]
    if options.check:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} does not show the committed measurements; run: make figures", file=sys.stderr
            )
        return int(bool(stale))
    for path in stale:
        text = current[path]
        path.unlink() if text is None else path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
