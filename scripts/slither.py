"""`make slither`: static analysis of the contracts. A finding without an answer in contracts/slither.json fails.

Slither and its libraries go into an environment of their own below .make, since they pin other versions than the node.
Findings of the informational and optimisation kind are left out. An answer that no finding needs any more fails too.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTRACTS = ROOT / "contracts"
ANSWERS = CONTRACTS / "slither.json"
VERSION = "0.11.6"

Finding = tuple[str, str]
"""The detector, and the contract and function that it points at."""


def main() -> None:
    """Exit with 1 and the list of findings without an answer, and of answers without a finding."""
    with tempfile.TemporaryDirectory() as folder:
        found = findings_of(json.loads(_analysed(Path(folder)).read_text()))
    answered = answers_of(json.loads(ANSWERS.read_text()))
    new, stale = sorted(found - answered), sorted(answered - found)
    for check, where in new:
        print(f"no answer in {ANSWERS.relative_to(ROOT)}: {check} in {where}")
    for check, where in stale:
        print(f"nothing to answer any more: {check} in {where}")
    if new or stale:
        sys.exit(1)
    print(f"slither: {len(found)} findings, each with an answer")


def findings_of(report: dict[str, Any]) -> set[Finding]:
    """The findings of Slither's JSON report, each named by its first element."""
    return {(found["check"], _place(found["elements"][0])) for found in report["results"].get("detectors", ())}


def answers_of(document: list[dict[str, Any]]) -> set[Finding]:
    """The findings that the file answers. ValueError for an entry without an answer."""
    for entry in document:
        if not entry["answer"].strip():
            raise ValueError(f"{entry['check']} has no answer")
    return {(entry["check"], where) for entry in document for where in entry["where"]}


def _place(element: dict[str, Any]) -> str:
    parent = element.get("type_specific_fields", {}).get("parent", {})
    name = element.get("type_specific_fields", {}).get("signature", element["name"])
    while parent and parent.get("type") not in ("contract", "function"):
        parent = parent.get("type_specific_fields", {}).get("parent", {})
    if parent.get("type") == "function":
        return f"{_place(parent)}.{element['name']}"
    return f"{parent['name']}.{name}" if parent else str(name)


def _analysed(folder: Path) -> Path:
    """Builds the contracts with forge and analyses what it built. Returns the report's path."""
    binaries = _installed()
    forge = next((CONTRACTS / "node_modules/@foundry-rs").glob("forge-*/bin"))
    out, report = folder / "out", folder / "report.json"
    build = ["node", "forge.mjs", "build", "--build-info", "--skip", "test/**", "--out", str(out)]
    subprocess.run(build, cwd=CONTRACTS, check=True, stdout=subprocess.DEVNULL)
    options = ["--ignore-compile", "--foundry-out-directory", str(out), "--filter-paths", "node_modules"]
    quiet = ["--exclude-dependencies", "--exclude-informational", "--exclude-optimization", "--json", str(report)]
    path = os.pathsep.join([str(binaries), str(forge), os.environ["PATH"]])
    done = subprocess.run(
        [binaries / "slither", ".", *options, *quiet],
        cwd=CONTRACTS,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.is_file():
        raise SystemExit(f"slither did not finish:\n{done.stderr[-2000:]}")
    return report


def _installed() -> Path:
    """The folder with the slither command, installed on first use."""
    home = ROOT / ".make" / f"slither-{VERSION}"
    if not (home / "bin" / "slither").is_file():
        venv.create(home, with_pip=True)
        install = [home / "bin" / "pip", "install", "--quiet", f"slither-analyzer=={VERSION}"]
        subprocess.run(install, check=True)
    return home / "bin"


if __name__ == "__main__":
    main()
