"""`openlora-switchbench v1` in its `ci` profile, serve and switch: benchmarks/results/switchbench_ci.json."""

import asyncio
import json

from benchmarks.record import RESULTS
from node.bench.profiles import PROFILES
from node.bench.suite import SCENARIOS, Scenario, run


def main() -> None:
    document = asyncio.run(run(PROFILES["ci"], SCENARIOS, 0, _tell))
    (RESULTS / "switchbench_ci.json").write_text(json.dumps(document, indent=2) + "\n")


def _tell(scenario: Scenario, found: dict[str, object]) -> None:
    print(f"{scenario.name}: {found['tookSeconds']} s, {found['checks']}", flush=True)


if __name__ == "__main__":
    main()
