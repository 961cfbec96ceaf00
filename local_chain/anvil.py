"""The anvil engine: Foundry's node as a child process, from its npm package or the PATH."""

import ctypes
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import contracts
from local_chain.accounts import DEV_ACCOUNT_COUNT, DEV_MNEMONIC
from local_chain.backend import HOST, Engine
from local_chain.client import RpcClient
from local_chain.errors import ChainStartFailed, ChainUnreachable, EngineMissing, PortInUse
from local_chain.genesis import CHAIN_ID, DEV_BALANCE_WEI, GAS_LIMIT, predeployed_code

STATE_NAME = "anvil.json"
BIRTH_NAME = "anvil.born"
_START_TIMEOUT_S = 20
_STOP_TIMEOUT_S = 20
_SAVE_EVERY_S = 2
_PR_SET_PDEATHSIG = 1
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class AnvilBackend:
    """anvil as a `ChainBackend`. Its state is in `home`/anvil.json, written every two seconds and when it stops."""

    engine: Engine = "anvil"

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def rpc_url(self) -> str:
        """Where anvil answers; valid after `start`."""
        return f"http://{HOST}:{self._port}"

    def start(self, port: int) -> None:
        """Starts anvil, sets its clock and places the predeployed contracts. Port 0 takes any free port.

        Raises EngineMissing, PortInUse or ChainStartFailed.
        """
        self._port = _free_port(port)
        command = [str(find_anvil()), *self._options()]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_end_with_parent)  # noqa: PLW1509 # one thread
        client = RpcClient(self.rpc_url)
        self._await_answer(client)
        client.call("evm_setTime", max(int(time.time()), client.head().timestamp))
        for address, code in predeployed_code().items():
            if client.call("eth_getCode", address, "latest") == "0x":
                client.call("anvil_setCode", address, "0x" + code.hex())

    def _options(self) -> list[str]:
        state = str(self.home / STATE_NAME)
        return [
            *("--host", HOST, "--port", str(self._port), "--chain-id", str(CHAIN_ID), "--hardfork", "prague"),
            *("--gas-limit", str(GAS_LIMIT), "--mnemonic", DEV_MNEMONIC, "--accounts", str(DEV_ACCOUNT_COUNT)),
            *("--timestamp", str(self._born_at())),
            *("--balance", str(DEV_BALANCE_WEI // 10**18), "--state", state, "--state-interval", str(_SAVE_EVERY_S)),
            *("--preserve-historical-states", "--quiet"),
        ]

    def _born_at(self) -> int:
        """The time of block 0, kept in a file: anvil builds block 0 at each start, and its hash must not change."""
        path = self.home / BIRTH_NAME
        if not path.exists():
            path.write_text(str(int(time.time())))
        return int(path.read_text())

    def _await_answer(self, client: RpcClient) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.running():
                raise ChainStartFailed(f"anvil ended before it answered; see the chain's log in {self.home}")
            try:
                client.chain_id()
            except ChainUnreachable:
                time.sleep(0.02)
            else:
                return
        self.stop()
        raise ChainStartFailed(f"anvil did not answer within {_START_TIMEOUT_S} s")

    def running(self) -> bool:
        """Whether the anvil process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Interrupts anvil, which writes its state before it ends; kills it if it does not end in time."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def find_anvil(modules: Path = Path(contracts.__file__).parent / "node_modules") -> Path:
    """The path of anvil: the npm package's binary in `modules`, or else `anvil` on the PATH. Raises EngineMissing."""
    package = f"anvil-{sys.platform}-{_MACHINES.get(platform.machine().lower(), platform.machine())}"
    packaged = modules / "@foundry-rs" / package / "bin" / "anvil"
    if packaged.is_file():
        return packaged
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    raise EngineMissing.of(
        "anvil", "run `npm ci` in contracts/ (needs Node.js 20 or newer), or use --engine pyevm, which needs no Node.js"
    )


def _free_port(port: int) -> int:
    """The given port if nothing listens there, or any free port for 0. Raises PortInUse."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortInUse.at(port) from error
        free: int = probe.getsockname()[1]
        return free


def _end_with_parent() -> None:
    """Asks Linux to end anvil when the thread that started it ends, which is the main thread of the chain's process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
