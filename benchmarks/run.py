"""`python -m benchmarks.run [NAME …]`: every measurement the README quotes, one after another."""

import argparse

from benchmarks import clinic, paid_request, switchbench

MEASUREMENTS = {"paid_request": paid_request.main, "clinic": clinic.main, "switchbench": switchbench.main}


def main() -> None:
    """Run the named measurements, or all; each writes into benchmarks/results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    names = parser.parse_args().names or list(MEASUREMENTS)
    unknown = sorted(set(names) - set(MEASUREMENTS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    for name in names:
        print(f"measuring {name}", flush=True)
        MEASUREMENTS[name]()


if __name__ == "__main__":
    main()
