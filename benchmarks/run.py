"""`python -m benchmarks.run [NAME …]`: every measurement that the README quotes, one after another.

Each writes benchmarks/results/NAME.json. A working tree that differs from its commit is refused, because no one could
repeat the measurement; `--allow-dirty` measures it nevertheless, for trying something out.
"""

import argparse
from collections.abc import Sequence

from benchmarks import clinic, ledger, paid_request, switchbench
from benchmarks.result import DirtyTree, check_clean

MEASUREMENTS = {
    "paid_request": paid_request.measure,
    "ledger": ledger.measure,
    "clinic": clinic.measure,
    "switchbench": switchbench.measure_all,
}


def main(words: Sequence[str] | None = None) -> None:
    """Run the named measurements, or all of them. words: the command line; None means this process's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--allow-dirty", action="store_true", help="measure code that differs from its commit")
    options = parser.parse_args(words)
    names = options.names or list(MEASUREMENTS)
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        parser.error(f"unknown measurement: {', '.join(unknown)}; choose from {', '.join(MEASUREMENTS)}")
    try:
        check_clean(allow_dirty=options.allow_dirty)
    except DirtyTree as refusal:
        raise SystemExit(str(refusal)) from None
    for name in names:
        print(f"measuring {name}", flush=True)
        MEASUREMENTS[name]()


if __name__ == "__main__":
    main()
