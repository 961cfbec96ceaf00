"""A node on a chain that others run: registered before, with the operator's key in a keystore."""

import json
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2

from contracts.crypto import Bytes32
from local_chain.accounts import dev_accounts
from local_chain.deploy import deploy
from local_chain.embedded import PyevmBackend
from node.dev import starter
from node.dev.assets import starter_adapters, starter_datanets
from node.dev.seed import seed
from node.home.keystore import Keystores
from serving.adapters.digests import adapter_digest, base_digest
from tests.e2e.node_process import NodeProcess, command, started

KEY = "s3cr3t-Key_0123456789"
"""In the URL of the chain, as a provider of chain access would have it."""


def test_keystores_pay_a_node_on_another_s_chain(tmp_path: Path) -> None:
    (tmp_path / "chain").mkdir()
    backend = PyevmBackend(tmp_path / "chain")
    backend.start(0)
    with ExitStack() as running:
        running.callback(backend.stop)
        prepare(tmp_path, backend)
        chain = backend.rpc_url.replace("http://", f"http://user:{KEY}@")
        with started(tmp_path / "node", "--chain-rpc", chain) as node:
            me = httpx2.get(node.url + "/nodes/me").json()
            paid = command(tmp_path / "payer", "--json", "chat", "cardiology", "Hello", "--pay", "--node", node.url)
            assert me["mode"] == "paid"
            assert "DEV KEYS" not in node.output
            assert paid.returncode == 0, paid.stderr
            assert json.loads(paid.stdout)["receiptChecked"] is True

            running.close()
            said = wait_until_unready(node) + command(tmp_path / "node", "status").stdout
            log = (node.home / "start.err").read_text()
            assert "chain_troubled" in log
            assert KEY not in said + log + node.output


def wait_until_unready(node: NodeProcess) -> str:
    """What /readyz says once the node has noticed that its chain is gone."""
    deadline = time.monotonic() + 120
    while (answer := httpx2.get(node.url + "/readyz")).status_code == 200:
        assert time.monotonic() < deadline, "the node did not notice"
        time.sleep(0.5)
    return answer.text


def prepare(folder: Path, backend: PyevmBackend) -> None:
    """Contracts and registrations on the chain; a home for the operator and one for the payer, each with its key."""
    accounts, pack = dev_accounts(), starter.pack()
    deployment = deploy(backend.rpc_url)
    digests = {adapter.name: Bytes32(bytes.fromhex(adapter_digest(adapter.path))) for adapter in pack.adapters}
    seed(
        backend.rpc_url,
        deployment,
        base_digest=Bytes32(bytes.fromhex(base_digest(pack.base))),
        adapters=starter_adapters(pack, accounts, digests),
        datanets=starter_datanets(pack, accounts),
    )
    for name, account, key in (("node", "operator", accounts[1]), ("payer", "payer", accounts[2])):
        home = folder / name
        Keystores(home / "keystores", scrypt_n=2).add(account, key, "correct horse")
        (home / "password").write_text("correct horse\n")
        secret = "operator_password_file" if name == "node" else "password_file"
        (home / "node.toml").write_text(f'{secret} = "{home / "password"}"\n')
        (home / "deployment.json").write_text(json.dumps(deployment.to_json()))
