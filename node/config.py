"""The settings: one frozen `Settings`, the origin of each value, and all problems at once.

Precedence: flag > `OPENLORA_*` > `--config` TOML > `<home>/node.toml` > default. No other module reads the environment.
A secret `x` may also be given as `x_file`, the path of a file that holds it.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, ByteSize, ConfigDict, Field, SecretStr, ValidationError

from node.redaction import Redactor, shown_url
from node.settings.http import HttpSettings
from node.settings.ledger import LedgerSettings

PREFIX = "OPENLORA_"
SECRETS = frozenset({"operator_password", "password", "admin_token", "database"})
_URLS = frozenset({"chain_rpc", "s3_endpoint", "node"})
_LISTS = frozenset({"adapters", "adapter_sources", "cors_origins"})

Mode = Literal["dev", "free", "paid"]
Port = Annotated[int, Field(ge=0, le=65535)]
HomePath = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser())]


class Settings(HttpSettings, LedgerSettings):
    """All settings of the node and of client commands. Errors show a field's description as the fix."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    home: HomePath = Field(Path("~/.openlora").expanduser(), description="a folder that this node owns")
    dev: bool = Field(False, description="true or false: run a local chain with public keys and serve the starter pack")
    free: bool = Field(False, description="true or false: serve without a chain and without payment")
    base: str = Field("starter", min_length=1, description="starter, a folder, or a hub model such as org/name")
    adapters: tuple[str, ...] = Field((), description="[NAME=]SRC: hf:org/name@rev, file:PATH, s3:// or https://")
    adapter_sources: tuple[str, ...] = Field(
        ("file:", "hf:"),
        description="prefixes of sources that may be loaded, such as hf:org/, s3://bucket/ or https://host/",
    )
    s3_endpoint: str | None = Field(None, pattern=r"^https?://", description="the http(s) URL of an S3 server")
    host: str = Field("127.0.0.1", min_length=1, description="an address of this machine, 127.0.0.1 unless paid")
    port: Port = Field(8000, description="a free port from 1 to 65535, or 0 to take any")
    admin_port: Port = Field(8001, description="a free port from 1 to 65535, or 0 to take any")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto, cpu or cuda")
    dtype: Literal["auto", "bf16", "fp32"] = Field("auto", description="auto, bf16 or fp32")
    max_model_len: int | None = Field(None, gt=0, description="the longest context in tokens, above 0")
    kv_bytes: ByteSize | None = Field(None, gt=0, description="memory for the KV cache, such as 512MiB")
    adapter_device_bytes: ByteSize | None = Field(None, gt=0, description="device memory for adapters, such as 256MiB")
    adapter_host_bytes: ByteSize | None = Field(None, gt=0, description="host memory for adapters, such as 4GiB")
    free_receipts: int = Field(10_000, ge=1, description="receipts that a node with --free keeps, 1 or more")
    drain_timeout_s: float = Field(30.0, gt=0, description="seconds that running requests get to finish, above 0")
    chain_rpc: str | None = Field(
        None, pattern=r"^https?://", description="the http(s) URL of an Ethereum JSON-RPC endpoint"
    )
    chain_engine: Literal["pyevm", "anvil"] = Field("pyevm", description="pyevm or anvil")
    chain_port: Port = Field(0, description="a free port for the local chain, or 0 to take any")
    deployment: HomePath | None = Field(None, description="a JSON file with the contracts' addresses on that chain")
    confirmations: int | None = Field(None, ge=0, le=10_000, description="blocks, 0 to 10000; unset: by chain")
    settle_every_s: float = Field(600.0, gt=0, description="seconds between settlement cycles, above 0")
    withdraw_delay_s: int = Field(
        86_400, ge=900, le=2_592_000, description="the least withdraw delay of a channel, from 900 to 2592000 seconds"
    )
    min_deposit: int = Field(10**16, ge=1, description="the least deposit that the node relays, in base units")
    database: SecretStr | None = Field(
        None, description="sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    )
    operator_account: str = Field("operator", min_length=1, description="the name of a keystore in the home")
    operator_password: SecretStr | None = Field(None, description="the operator keystore's password, best as a file")
    admin_token: SecretStr | None = Field(
        None, min_length=16, description="at least 16 characters; generated if it is not set"
    )
    node: str | None = Field(
        None, pattern=r"^https?://", description="the http(s) URL of the node that client commands use"
    )
    account: str = Field("payer", min_length=1, description="the name of a keystore in the home")
    password: SecretStr | None = Field(None, description="that keystore's password, best as a file")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")
    log_format: Literal["text", "json"] = Field("text", description="text or json")

    @property
    def mode(self) -> Mode:
        """How the node serves: `free`, `dev`, or `paid` if neither flag is given."""
        return "free" if self.free else "dev" if self.dev else "paid"

    @property
    def database_url(self) -> str:
        """The configured database, else a file in the home. A free node has its own: it belongs to no chain."""
        file = self.home / ("free.db" if self.free else "node.db")
        return self.database.get_secret_value() if self.database else f"sqlite:///{file}"

    @property
    def redactor(self) -> Redactor:
        """Hides the secrets in the URLs among these settings."""
        sources = [named_source(given)[1] for given in self.adapters]
        signed = [source for source in sources if "://" in source and ("@" in source or "?" in source)]
        database = self.database_url if self.database else None
        return Redactor(url for url in (self.chain_rpc, self.s3_endpoint, self.node, database, *signed) if url)

    def shown(self, key: str) -> str:
        """A value as it may be printed: secrets masked, URLs without user info, path and query."""
        value = getattr(self, key)
        if isinstance(value, tuple):
            return self.redactor(", ".join(value)) or "-"
        if value is None:
            return "-"
        return "********" if key in SECRETS else shown_url(value) if key in _URLS else str(value)


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in the settings: the key, where it was set, what is wrong, and how to fix it."""

    key: str
    origin: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.key} ({self.origin}): {self.message}\n    fix: {self.fix}"


class SettingsError(Exception):
    """The settings cannot be used. problems: all errors, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("the settings cannot be used\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and for each key where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Source:
    """Values from one place. label: where each key was set; unknown: keys that are not settings."""

    values: Mapping[str, object]
    label: Mapping[str, str]
    unknown: Mapping[str, str] = field(default_factory=dict)


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """The settings of this process. flags: values from the command line; None values count as absent.

    Raises SettingsError with the problems of all sources.
    """
    environ = os.environ if environ is None else environ
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    config_path = given.pop("config", None) or environ.get(PREFIX + "CONFIG")
    problems: list[Problem] = []
    sources = [_from_flags(given), _from_environment(environ)]
    if config_path:
        sources.append(_from_file(Path(str(config_path)).expanduser(), problems, must_exist=True))
    named = next((source.values["home"] for source in sources if "home" in source.values), None)
    home = Path(str(named or "~/.openlora")).expanduser()
    sources.append(_from_file(home / "node.toml", problems, must_exist=False))
    values, origins = _merge(sources, problems)
    settings = _validate(values, origins, problems)
    if settings is None or problems:
        raise SettingsError(problems)
    return Loaded(settings, {key: origins.get(key, "default") for key in Settings.model_fields})


def _from_flags(given: Mapping[str, object]) -> _Source:
    return _Source(given, {key: "flag --" + key.replace("_", "-") for key in given})


def _from_environment(environ: Mapping[str, str]) -> _Source:
    found = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    found.pop("config", None)
    values = {
        key: [part.strip() for part in value.split(",") if part.strip()] if key in _LISTS else value
        for key, value in found.items()
    }
    return _source(values, {key: f"env {PREFIX}{key.upper()}" for key in values})


def _from_file(path: Path, problems: list[Problem], *, must_exist: bool) -> _Source:
    if not must_exist and not path.exists():
        return _Source({}, {})
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        problems.append(
            Problem("config", str(path), error.strerror or str(error), "give the path of a readable TOML file")
        )
        return _Source({}, {})
    except ValueError as error:
        problems.append(Problem("config", str(path), f"not TOML: {error}", "write KEY = VALUE lines"))
        return _Source({}, {})
    return _source(values, dict.fromkeys(values, f"file {path}"))


def _source(values: Mapping[str, object], label: Mapping[str, str]) -> _Source:
    known = set(Settings.model_fields) | {f"{secret}_file" for secret in SECRETS}
    unknown = {key: label[key] for key in values if key not in known}
    return _Source({key: value for key, value in values.items() if key in known}, label, unknown)


def _merge(sources: list[_Source], problems: list[Problem]) -> tuple[dict[str, object], dict[str, str]]:
    """The value of each key from the strongest source, and its origin. A key `x_file` gives the value of `x`."""
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for source in sources:
        problems += [_unknown_key(key, label) for key, label in source.unknown.items()]
        for key, value in source.values.items():
            secret = key.removesuffix("_file")
            is_file = key.endswith("_file") and secret in SECRETS
            name = secret if is_file else key
            if name not in origins:
                values[name] = _read_secret(key, value, source.label[key], problems) if is_file else value
                origins[name] = source.label[key]
    return values, origins


def _read_secret(key: str, path: object, label: str, problems: list[Problem]) -> str | None:
    try:
        return Path(str(path)).expanduser().read_text().rstrip("\r\n")
    except OSError as error:
        problems.append(Problem(key, label, error.strerror or str(error), "give the path of a readable file"))
        return None


def _unknown_key(key: str, label: str) -> Problem:
    near = difflib.get_close_matches(key, [*Settings.model_fields, "config"], n=1)
    fix = f"did you mean {near[0]}?" if near else "remove it; `config show` lists the known keys"
    return Problem(key, label, "unknown key", fix)


def _validate(values: dict[str, object], origins: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    try:
        settings = Settings.model_validate(values)
    except ValidationError as errors:
        for error in errors.errors():
            key = str(error["loc"][0])
            fix = f"give {Settings.model_fields[key].description}"
            problems.append(Problem(key, origins[key], error["msg"], fix))
        return None
    problems += _conflicts(settings, origins)
    return settings


def _conflicts(settings: Settings, origins: Mapping[str, str]) -> Iterator[Problem]:
    """Problems of values that are valid one by one but not together."""
    if settings.dev and settings.free:
        yield Problem("free", origins["free"], "--dev and --free exclude each other", "give only one of them")
    if (settings.dev or settings.free) and not _is_loopback(settings.host):
        why = "--dev and --free serve everybody who can connect, so they listen on loopback only"
        yield Problem("host", origins["host"], why, "leave host out, or serve for payment with --chain-rpc")
    if settings.chain_rpc and (settings.dev or settings.free):
        why = f"--{settings.mode} does not use an existing chain"
        yield Problem("chain_rpc", origins["chain_rpc"], why, f"give either --chain-rpc or --{settings.mode}")
    if settings.port and settings.port == settings.admin_port:
        origin = origins.get("admin_port", origins.get("port", "default"))
        yield Problem("admin_port", origin, f"it equals the public port {settings.port}", "give another port")
    if settings.database and not settings.database_url.startswith(
        ("sqlite://", "postgresql://", "postgresql+psycopg://")
    ):
        fix = f"give {Settings.model_fields['database'].description}"
        yield Problem("database", origins["database"], "only SQLite and PostgreSQL keep a ledger safe here", fix)


def known_urls(words: Sequence[str], environ: Mapping[str, str] | None = None) -> list[str]:
    """Every URL in a command line and in the environment's settings, also where they make no valid settings."""
    environ = os.environ if environ is None else environ
    values = [value for name, value in environ.items() if name.startswith(PREFIX)]
    found = (part.strip() for value in (*words, *values) for part in value.split(","))
    return [part.partition("=")[2] if re.match(r"[\w.-]*=", part) else part for part in found if "://" in part]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def named_source(given: str) -> tuple[str, str]:
    """(name, source) from `NAME=SRC`, or from SRC alone: then the name is its last part without the revision."""
    name, separator, source = given.partition("=")
    if separator and ":" not in name:
        return name, source
    place = given.partition("#")[0].rstrip("/")
    return place.rsplit("/", 1)[-1].rsplit(":", 1)[-1].partition("@")[0], given
