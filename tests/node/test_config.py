"""Settings: precedence, origins, secrets from files, and every problem at once."""

import itertools
from pathlib import Path

import pytest

from node.config import Loaded, Problem, SettingsError, load


def problems_of(flags: dict[str, object], environ: dict[str, str]) -> dict[str, Problem]:
    with pytest.raises(SettingsError) as caught:
        load(flags, environ)
    return {problem.key: problem for problem in caught.value.problems}


def load_from(places: tuple[str, ...], tmp_path: Path) -> Loaded:
    """Settings of a process where each place in `places` names a port of its own."""
    home, config = tmp_path / "home", tmp_path / "node.toml"
    home.mkdir()
    if "home file" in places:
        (home / "node.toml").write_text("port = 4001")
    flags: dict[str, object] = {"home": home}
    if "config file" in places:
        config.write_text("port = 4002")
        flags["config"] = config
    if "flag" in places:
        flags["port"] = 4004
    return load(flags, {"OPENLORA_PORT": "4003"} if "environment" in places else {})


PLACES = {"flag": 4004, "environment": 4003, "config file": 4002, "home file": 4001}


@pytest.mark.parametrize("places", [c for n in range(5) for c in itertools.combinations(PLACES, n)])
def test_the_strongest_place_that_names_a_value_wins(places: tuple[str, ...], tmp_path: Path) -> None:
    loaded = load_from(places, tmp_path)

    assert loaded.settings.port == next((PLACES[place] for place in PLACES if place in places), 8000)


def test_origins_tell_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('device = "cpu"')

    loaded = load({"home": tmp_path, "port": 9000}, {"OPENLORA_ADAPTERS": "hf:a/b@1, x=file:/y"})

    assert loaded.origins["port"] == "flag --port"
    assert loaded.origins["adapters"] == "env OPENLORA_ADAPTERS"
    assert loaded.settings.adapters == ("hf:a/b@1", "x=file:/y")
    assert loaded.origins["device"] == f"file {tmp_path / 'node.toml'}"
    assert loaded.origins["host"] == "default"


def test_all_problems_are_reported_at_once_each_with_its_fix(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('devise = "cpu"\nmax_queue = 0')

    found = problems_of({"home": tmp_path, "port": 70000}, {"OPENLORA_DTYPE": "fp8", "OPENLORA_XYZZY": "1"})

    assert found.keys() == {"devise", "max_queue", "port", "dtype", "xyzzy"}
    assert found["devise"].fix == "did you mean device?"
    assert found["dtype"].origin == "env OPENLORA_DTYPE"
    assert found["dtype"].fix == "give auto, bf16 or fp32"
    assert found["xyzzy"].message == "unknown key"


def test_a_secret_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")

    settings = load({"home": tmp_path}, {"OPENLORA_OPERATOR_PASSWORD_FILE": str(secret)}).settings

    assert settings.operator_password is not None
    assert settings.operator_password.get_secret_value() == "correct horse"
    assert settings.shown("operator_password") == "********"
    assert "correct horse" not in repr(settings)


def test_a_missing_secret_file_is_a_problem_of_its_key(tmp_path: Path) -> None:
    found = problems_of({"home": tmp_path}, {"OPENLORA_PASSWORD_FILE": str(tmp_path / "none")})

    assert found["password_file"].message == "No such file or directory"


@pytest.mark.parametrize("mode", ["dev", "free"])
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "example.org"])
def test_dev_and_free_listen_on_loopback_only(mode: str, host: str, tmp_path: Path) -> None:
    found = problems_of({"home": tmp_path, mode: True, "host": host}, {})

    assert "loopback only" in found["host"].message


def test_values_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    flags = {"home": tmp_path, "dev": True, "free": True, "chain_rpc": "http://127.0.0.1:1", "port": 5, "admin_port": 5}

    assert problems_of(flags, {}).keys() == {"free", "chain_rpc", "admin_port"}


@pytest.mark.parametrize("url", ["mysql://x/y", "duckdb:///z", "/var/node.db"])
def test_a_database_that_cannot_keep_a_ledger_is_refused(url: str, tmp_path: Path) -> None:
    assert "SQLite and PostgreSQL" in problems_of({"home": tmp_path}, {"OPENLORA_DATABASE": url})["database"].message


def test_a_broken_config_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("port = = 1")

    assert "not TOML" in problems_of({"home": tmp_path}, {})["config"].message
    assert problems_of({"config": tmp_path / "none.toml"}, {})["config"].origin == str(tmp_path / "none.toml")


def test_sizes_may_carry_a_unit(tmp_path: Path) -> None:
    assert load({"home": tmp_path}, {"OPENLORA_KV_BYTES": "64MiB"}).settings.kv_bytes == 64 << 20
