"""A paid node that is killed and started again, on a chain that outlives it, and clients that pay it all the while."""

import json
import random
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from contracts.crypto import Bytes32, PrivateKey
from local_chain.accounts import dev_accounts
from local_chain.launcher import RunningChain
from local_chain.transactor import Transactor, connect, contract
from node.client.auth import WalletAuth
from node.client.errors import ClientError
from node.client.receipt import SignedReceipt
from node.dev import starter
from node.dev.assets import starter_adapters, starter_datanets
from node.dev.seed import Seeded, seed
from node.home.keystore import Keystores
from serving.adapters.digests import adapter_digest, base_digest
from tests.e2e.node_process import START_S, NodeProcess
from tests.e2e.preloaded import Preloader

OPEN = 10**18
MODELS = ("cardiology", "dermatology", starter.BASE_NAME)


def prepared_home(home: Path, chain: RunningChain) -> Seeded:
    """Registers the node and the starter pack on the chain, and makes the home of its operator."""
    accounts, pack = dev_accounts(), starter.pack()
    digests = {adapter.name: Bytes32(bytes.fromhex(adapter_digest(adapter.path))) for adapter in pack.adapters}
    seeded = seed(
        chain.rpc_url,
        chain.deployment,
        base_digest=Bytes32(bytes.fromhex(base_digest(pack.base))),
        adapters=starter_adapters(pack, accounts, digests),
        datanets=starter_datanets(pack, accounts),
    )
    Keystores(home / "keystores", scrypt_n=2).add("operator", accounts[1], "correct horse")
    (home / "password").write_text("correct horse\n")
    (home / "node.toml").write_text(f'operator_password_file = "{home / "password"}"\n')
    (home / "deployment.json").write_text(json.dumps(chain.deployment.to_json()))
    return seeded


def rich_payers(chain: RunningChain, count: int) -> list[PrivateKey]:
    """New keys that hold 100 OPEN each."""
    keys = [PrivateKey.generate() for _ in range(count)]
    web3 = connect(chain.rpc_url)
    token, rich = contract(web3, "OpenToken", chain.deployment.open_token), Transactor(web3, dev_accounts()[2])
    for key in keys:
        rich.call(token, "transfer", key.address, 100 * OPEN)
    return keys


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class MortalNode:
    """One home on one port. Each life is a process of its own, which `kill` ends as by SIGKILL."""

    home: Path
    rpc_url: str
    preloader: Preloader
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    life: NodeProcess | None = None
    starts: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> NodeProcess:
        """Starts a process and returns at once."""
        ports = ("--port", str(self.port), "--admin-port", str(self.admin_port))
        words = ["--home", str(self.home), "start", "--chain-rpc", self.rpc_url, "--confirmations", "1", *ports]
        out, err = self.home / "start.out", self.home / "start.err"
        out.write_text("")
        err.touch()
        self.life = NodeProcess(self.home, self.preloader.start(words, out, err))
        self.starts += 1
        return self.life

    def await_ready(self) -> float:
        """Waits until the node is ready; how many seconds that took."""
        began, life = time.monotonic(), self.life
        assert life is not None
        while "Ready in" not in life.output:
            said = (self.home / "start.err").read_text()[-4000:]
            assert life.process.poll() is None, f"start {self.starts} ended with {life.process.returncode}:\n{said}"
            assert time.monotonic() - began < START_S, f"start {self.starts} is not ready:\n{said}"
            time.sleep(0.05)
        return time.monotonic() - began

    def kill(self) -> None:
        assert self.life is not None
        self.life.kill()


class PayingClient(threading.Thread):
    """Pays for one completion after another, whatever happens to the node, until it is stopped."""

    def __init__(self, key: PrivateKey, url: str, state: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.key, self._url, self._draw, self._halt = key, url, random.Random(seed), threading.Event()
        self.received: list[SignedReceipt] = []
        self.sent = self.cut_off = 0  # requests; answers that ended early
        self.refusals: list[str] = []
        self.state = state
        self._auth = WalletAuth(key, state, deposit=OPEN // 20, on_receipt=self.received.append)

    def run(self) -> None:
        with httpx2.Client(base_url=self._url, auth=self._auth, timeout=60) as client:
            while not self._halt.is_set():
                try:
                    self.ask(client)
                except httpx2.ConnectError:
                    self._halt.wait(0.3)  # the node is down
                except httpx2.TransportError:
                    self.cut_off += 1
                except ClientError as error:  # such as a receipt that the payer knows to be wrong
                    self.refusals.append(f"{type(error).__name__}: {error}")
                    self._halt.wait(0.5)

    def ask(self, client: httpx2.Client) -> int:
        """One request of a random length, half of them streamed; the status of the answer."""
        body = {
            "model": self._draw.choice(MODELS),
            "prompt": "Hello",
            "max_tokens": self._draw.randrange(1, 60),
            "ignore_eos": True,
            "stream": self._draw.random() < 0.5,
        }
        self.sent += 1
        with client.stream("POST", "/v1/completions", json=body) as answer:
            for _ in answer.iter_bytes():
                pass
        return answer.status_code

    def last_request(self) -> None:
        """After the load: one request more, which brings the payer's account up to date."""
        with httpx2.Client(base_url=self._url, auth=self._auth, timeout=60) as client:
            assert self.ask(client) == 200

    def stop(self) -> None:
        self._halt.set()
        self.join(90)
        assert not self.is_alive()


class Settler(threading.Thread):
    """Asks for a settlement cycle again and again, so that kills meet transactions in every state."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self._home, self._halt = home, threading.Event()
        self.cycles = 0

    def run(self) -> None:
        while not self._halt.wait(0.5):
            try:
                running = json.loads((self._home / "run.json").read_text())
                headers = {"Authorization": f"Bearer {running['admin_token']}"}
                answer = httpx2.post(f"{running['admin_url']}/admin/settle/now", headers=headers, timeout=90)
                self.cycles += answer.status_code == 200
            except (OSError, ValueError, KeyError, httpx2.TransportError):
                continue  # the node is down

    def stop(self) -> None:
        self._halt.set()
        self.join(120)
