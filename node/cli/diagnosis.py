"""The checks of `doctor`."""

import importlib.util
import shutil
import sys
from dataclasses import dataclass

from node.config import Settings
from node.home.lock import HomeLocked, HomeUnusable, owned
from node.home.run_file import Running
from node.process.listeners import AddressUnusable, PortInUse, bind
from serving.native.compiler import find_compiler

_SERVING_PACKAGES = ("torch", "transformers", "safetensors", "huggingface_hub", "llguidance")
_MIN_FREE_BYTES = 1 << 30
INSTALL_SERVING = 'install torch, then: pip install "openlora-node[serve,dev-chain]"'


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `found`: what the check saw; `fix`: what to do if it is not `ok`.

    exit_code: that of `doctor` if this check fails and no more serious one does.
    """

    check: str
    ok: bool
    found: str
    fix: str = ""
    exit_code: int = 3


def examine(settings: Settings) -> list[Finding]:
    """The results of all checks, passed ones included."""
    return [_python(), _packages(), _compiler(), _disk(settings), *_home_and_ports(settings)]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("python", (3, 11) <= sys.version_info < (3, 14), version, "use Python 3.11, 3.12 or 3.13")


def _packages() -> Finding:
    missing = missing_packages(_SERVING_PACKAGES)
    found = f"missing: {', '.join(missing)}" if missing else "installed"
    return Finding("serving packages", not missing, found, INSTALL_SERVING)


def _compiler() -> Finding:
    """A missing compiler is not a failure: a CPU serves without one, only slower."""
    slower = "none: steps on a CPU run in plain torch, several times slower (Debian: apt-get install gcc)"
    return Finding("C compiler", True, find_compiler() or slower)


def missing_packages(names: tuple[str, ...] = _SERVING_PACKAGES) -> list[str]:
    """The packages among `names` that cannot be imported."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def _disk(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    return Finding("disk", free >= _MIN_FREE_BYTES, f"{free >> 20} MiB free under {folder}", "free 1 GiB")


def _home_and_ports(settings: Settings) -> list[Finding]:
    """Checks the home and both ports. If the home's node is running, they are in use and therefore fine."""
    running = Running.read(settings.home)
    if running:
        return [Finding("home", True, f"{settings.home}, in use by pid {running.pid} at {running.url}")]
    findings = []
    try:
        with owned(settings.home):
            findings.append(Finding("home", True, f"{settings.home} can be used"))
    except (HomeLocked, HomeUnusable) as error:
        findings.append(Finding("home", False, str(error), "stop the other node, or give another --home"))
    for port, flag in ((settings.port, "--port"), (settings.admin_port, "--admin-port")):
        try:
            bind(settings.host, port, flag).close()
            findings.append(Finding(flag, True, f"{port or 'any port'} is free"))
        except (PortInUse, AddressUnusable) as error:
            findings.append(Finding(flag, False, str(error), f"give another {flag}"))
    return findings
