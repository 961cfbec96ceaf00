"""No part of a configured URL that may hold a key is shown, however a library spells it."""

import json

import pytest

from node.redaction import Redactor, shown_url

KEY = "s3cr3t-Key_0123456789"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://mainnet.example/v3/{KEY}", "https://mainnet.example/***"),
        (f"https://user:{KEY}@rpc.example:8545", "https://rpc.example:8545/***"),
        (f"https://{KEY}@rpc.example/", "https://rpc.example/***"),
        (f"http://[::1]:8545/?apikey={KEY}", "http://[::1]:8545/***"),
        (f"https://rpc.example/#{KEY}", "https://rpc.example/***"),
        (f"postgresql://user:{KEY}@db.example/ledger", "postgresql://db.example/***"),
        (f"postgresql://user:{KEY}/x@db.example/ledger", "***"),
        (f"postgresql://user:1/{KEY}@db.example/ledger", "postgresql://***"),
        (f"http://rpc.example:{KEY}/", "***"),
        (f"http://[{KEY}", "***"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        ("sqlite:////home/node/node.db", "sqlite:////home/node/node.db"),
        (f"sqlite:///node.db?key={KEY}", "sqlite://***"),
    ],
)
def test_a_url_is_shown_as_scheme_host_and_port(url: str, shown: str) -> None:
    assert shown_url(url) == shown


URLS = (
    f"https://rpc.example/v3/{KEY}",
    f"https://rpc.example/v3/{KEY}/",
    f"https://user:{KEY}@rpc.example",
    f"https://{KEY}@rpc.example",
    f"https://rpc.example/?apikey={KEY}&chain=1",
    f"https://rpc.example/#{KEY}",
    f"http://rpc.example:{KEY}/",
    f"postgresql+psycopg://openlora:{KEY}@db.example/ledger?sslmode=require",
)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "message",
    [
        "The chain at {url} is unavailable.",
        "HTTPConnectionPool(host='rpc.example', port=443): Max retries exceeded with url: {path} (Caused by …)",
        "401 Client Error: Unauthorized for url: {url}",
        'the project "{key}" does not exist',
        "key={key}",
        "{path}/bucket/object",
    ],
)
def test_a_secret_part_is_hidden_in_any_message(url: str, message: str) -> None:
    path = "/" + url.split("/", 3)[3] if url.count("/") > 2 else ""
    text = message.format(url=url, path=path, key=KEY)

    assert KEY not in Redactor([url])(text)


def test_a_whole_url_becomes_its_shown_form() -> None:
    url = f"https://rpc.example/v3/{KEY}"

    assert Redactor([url])(f"{url} serves chain 5") == "https://rpc.example/*** serves chain 5"


def test_a_secret_is_hidden_in_every_spelling() -> None:
    redact = Redactor(["https://rpc.example/clé%20d’accès%2Fxyz"])

    for spelled in ("clé d’accès/xyz", "cl%C3%A9%20d%E2%80%99acc%C3%A8s%2Fxyz", json.dumps("clé%20d’accès%2Fxyz")):
        assert "xyz" not in redact(f"no such key: {spelled}")


def test_ordinary_text_is_left_alone() -> None:
    text = "POST /v1/chat/completions answered 503 in node/api/errors.py for user postgres: see /readyz"

    assert (
        Redactor(["https://rpc.example/v1", "http://127.0.0.1:8000", "postgresql://postgres@db.example"])(text) == text
    )
