"""Which web addresses are accepted, which covers which, and which IP addresses are public."""

import pytest

from serving.adapters.sources.web_address import WebAddress, is_public, look_up


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f::1", True),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("fe80::1%eth0", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("::ffff:8.8.8.8", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_an_address_covers_itself_and_what_is_below() -> None:
    def covers(allowed: str, asked: str) -> bool:
        a, b = WebAddress.parse(allowed), WebAddress.parse(asked)
        return a is not None and b is not None and a.covers(b)

    assert covers("https://host", "https://HOST:443/x")
    assert covers("https://host/a/", "https://host/a")
    assert not covers("https://host/a", "https://host/ab")
    assert not covers("https://host", "https://host:8443/x")
    assert not covers("https://host", "https://host.evil/x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://Host", "https://host"),
        ("https://host:443/a/", "https://host/a"),
        ("http://host:8080/a%20b", "http://host:8080/a%20b"),
        ("https://[::1]/x", "https://[::1]/x"),
    ],
)
def test_an_address_is_shown_in_one_form(text: str, shown: str) -> None:
    assert str(WebAddress.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "ftp://host",
        "https://host:99999/",
        "https://u@host/",
        "https://host/?q",
        "https://host/#f",
        "https://host/a/../b",
        "https://host/%2e%2e/b",
        "https://host//a",
        "https://host/a%5cb",
        "https://host/%252e",
    ],
)
def test_an_address_that_servers_may_read_in_two_ways_is_none(text: str) -> None:
    assert WebAddress.parse(text) is None


def test_loopback_is_recognized_without_a_look_up() -> None:
    loopback = [WebAddress.parse(f"http://{host}/") for host in ("localhost", "127.0.0.1", "[::1]", "example.org")]

    assert [address is not None and address.is_loopback for address in loopback] == [True, True, True, False]
    assert look_up("127.0.0.1", 80) == ("127.0.0.1",)
