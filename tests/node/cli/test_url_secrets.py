"""A key planted in every URL that can be configured never reaches a terminal, an answer or a probe."""

from pathlib import Path

import httpx2
import pytest

from local_chain.accounts import dev_accounts
from node.chain.rpc import RpcClient
from node.home.keystore import Keystores
from node.settlement.gas_probe import GasProbe
from node.store.errors import StorageUnavailable
from tests.node.cli.conftest import Cli
from tests.node.running import NodeThread, free_settings, node_thread

KEY = "s3cr3t-Key_0123456789"
PLACES = ["{host}/v3/{key}", "user:{key}@{host}", "{key}@{host}/", "{host}/?apikey={key}"]
SETTINGS = ["OPENLORA_CHAIN_RPC", "OPENLORA_NODE", "OPENLORA_S3_ENDPOINT"]
PAYER = dev_accounts()[2]


def planted(place: str) -> str:
    return "http://" + place.format(host="127.0.0.1:1", key=KEY)


@pytest.fixture
def payer_home(tmp_path: Path) -> Path:
    """A home whose account `payer` can sign without being asked for a password."""
    Keystores(tmp_path / "keystores", scrypt_n=2).add("payer", PAYER, "x")
    (tmp_path / "node.toml").write_text('password = "x"')
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", [(), ("--json",), ("--origin",)])
def test_the_settings_are_shown_without_keys(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, place: str, form: tuple[str, ...]
) -> None:
    for name in SETTINGS:
        monkeypatch.setenv(name, planted(place))
    monkeypatch.setenv("OPENLORA_DATABASE", f"postgresql://user:{KEY}@127.0.0.1/x")
    monkeypatch.setenv("OPENLORA_ADAPTERS", f"x=https://user:{KEY}@host.example/x")

    done = cli("config", "show", *form)

    assert done.code == 0
    assert "http://127.0.0.1:1/***" in done.out
    assert KEY not in done.out + done.err


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", [(), ("-v", "--json")])
@pytest.mark.parametrize(
    "verb",
    [
        ("receipts", "list"),
        ("pay", "quote", "m"),
        ("pay", "deposit", "1"),
        ("pay", "sign", "POST", "/v1/chat/completions", "--data", '{"model": "m"}'),
        ("chat", "m", "Hello"),
        ("earnings",),
        ("claim",),
    ],
)
def test_a_node_that_does_not_answer_is_named_without_its_key(
    cli: Cli, payer_home: Path, place: str, form: tuple[str, ...], verb: tuple[str, ...]
) -> None:
    done = cli("--home", str(payer_home), *verb, "--node", planted(place), *form)

    assert done.code != 0
    assert "127.0.0.1:1" in done.err or "?" in place
    assert KEY not in done.out + done.err
    assert ("Traceback" in done.err) is ("-v" in form)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", ["environment", "flag", "file"])
def test_a_chain_that_does_not_answer_is_named_without_its_key(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, where: str
) -> None:
    home = ("--home", str(tmp_path))
    if where == "environment":
        monkeypatch.setenv("OPENLORA_CHAIN_RPC", planted(place))
    if where == "file":
        (tmp_path / "node.toml").write_text(f'chain_rpc = "{planted(place)}"')
    flag = ("--rpc-url", planted(place)) if where == "flag" else ()

    done = cli(*home, "chain", "deploy", *flag, "-v")

    assert done.code == 4
    assert KEY not in done.out + done.err


@pytest.mark.parametrize("url", ["http://[{key}", "http://127.0.0.1:{key}/", "ftp://user:{key}@x", "mysql://{key}@x/y"])
def test_settings_that_are_refused_are_reported_without_keys(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for name in (*SETTINGS, "OPENLORA_DATABASE"):
        monkeypatch.setenv(name, url.format(key=KEY))

    for words in (("config", "validate"), ("receipts", "list"), ("start", "--free", "-v")):
        done = cli(*words)

        assert KEY not in done.out + done.err


@pytest.mark.parametrize("place", PLACES)
def test_a_running_node_answers_without_keys(tmp_path: Path, place: str) -> None:
    settings = free_settings(tmp_path, s3_endpoint=planted(place), adapter_sources=("s3:", "file:"))
    with node_thread(settings) as node:
        client = RpcClient(planted(place), 31337)
        probes = {"gas": GasProbe(client, PAYER.address).check}
        object.__setattr__(node.world, "probes", probes)

        answers = [
            httpx2.get(node.url + "/readyz"),
            httpx2.get(node.admin_url + "/admin/status", headers=node.token),
            add_from_s3(node),
        ]

    assert answers[0].status_code == 503
    assert "127.0.0.1:1/***" in answers[0].json()["checks"]["gas"]["reason"]
    assert answers[2].status_code >= 400
    assert KEY not in "".join(answer.text for answer in answers)


def add_from_s3(node: NodeThread) -> httpx2.Response:
    body = {"source": "s3://bucket/adapter", "name": "x"}
    return httpx2.post(node.admin_url + "/admin/adapters", json=body, headers=node.token, timeout=60)


@pytest.mark.parametrize("path", ["/v1/models", f"/receipts?cursor={KEY}"])
def test_an_error_that_quotes_the_database_s_url_is_answered_without_it(tmp_path: Path, path: str) -> None:
    """Any error of the table, whoever wrote its text."""
    from node.api.errors import answer
    from node.config import load

    url = f"postgresql://user:{KEY}@db.example/ledger"
    settings = load({"home": tmp_path, "database": url}, {}).settings

    told = answer(StorageUnavailable(f"PostgreSQL: cannot connect to {url}{path}"), settings.redactor)

    assert "db.example/***" in told.message
    assert KEY not in told.message.replace(path, "")
