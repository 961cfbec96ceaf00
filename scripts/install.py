"""Install the pinned dependencies and this project into a virtual environment. Standard library only.

torch is installed first and alone. Otherwise a looser version range could replace it with a build of several gigabytes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path
from urllib.parse import unquote, urlparse

ROOT = Path(__file__).resolve().parent.parent
NEEDED_BYTES = 3_000_000_000


def main() -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True)
    parser.add_argument("extras", nargs="*")
    options = parser.parse_args()

    if not (3, 11) <= sys.version_info < (3, 14):
        print(f"Python 3.11, 3.12 or 3.13 is needed; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 1
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        print(
            f"This disk has {free / 1e9:.1f} GB free; about {NEEDED_BYTES / 1e9:.0f} GB are needed.",
            file=sys.stderr,
        )
        return 1
    try:
        install(options.venv, options.extras)
    except subprocess.CalledProcessError as error:
        print(f"\nThis step failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        print("Check the network and the package index, then run the same make command again.", file=sys.stderr)
        return 1
    return 0


def install(target: Path, extras: list[str]) -> None:
    """Create the environment if need be, and install torch and then this project with `extras`, editable.

    Raises CalledProcessError if pip fails.
    """
    python = target / "bin" / "python"
    if not python.exists():
        print(f"Creating {target} with Python {sys.version.split()[0]}", flush=True)
        venv.create(target, with_pip=True)
    pip = [
        str(python),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--constraint",
        str(ROOT / "constraints.txt"),
    ]
    if "serve" in extras and not installed(python, "torch"):
        index = os.environ.get("TORCH_INDEX_URL")
        torch = [*pip, *(["--index-url", index] if index else []), pinned("torch")]
        announce_size(torch)
        run(torch)
    print("Installing the pinned packages", flush=True)
    run([*pip, "--quiet", "--editable", f"{ROOT}[{','.join(extras)}]"])


def pinned(package: str) -> str:
    """The `name==version` line of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def installed(python: Path, package: str) -> bool:
    """Whether the environment of this interpreter has the package."""
    shown = subprocess.run([python, "-m", "pip", "show", "--quiet", package], capture_output=True, check=False)
    return shown.returncode == 0


def announce_size(command: list[str]) -> None:
    """Print how many bytes pip will download for torch."""
    plan = subprocess.run(
        [*command, "--dry-run", "--quiet", "--report", "-"], capture_output=True, text=True, check=False
    )
    try:
        urls = [item["download_info"]["url"] for item in json.loads(plan.stdout)["install"]]
        total = sum(map(size_of, urls))
    except (ValueError, KeyError, OSError):
        print("torch: size of the download unknown", flush=True)
        return
    print(f"torch: {total / 1e6:,.0f} MB to download", flush=True)
    if total > 1_000_000_000:
        print(
            "  (a CUDA build; for the smaller CPU build, interrupt now and set TORCH_INDEX_URL, see README.md)",
            flush=True,
        )


def size_of(url: str) -> int:
    """Bytes of the file at a file: or HTTP URL."""
    parts = urlparse(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path)).stat().st_size
    request = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.headers["Content-Length"])


def run(command: list[str]) -> None:
    """Run a command with its output on this terminal. Raises CalledProcessError if it fails."""
    subprocess.run(command, check=True, stdout=None)


if __name__ == "__main__":
    sys.exit(main())
