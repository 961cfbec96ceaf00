"""Ports: taken ones are named with their owner and a free one to take instead."""

import os
import re
import socket

import pytest

from node.process.listeners import AddressUnusable, PortInUse, bind, url_of


def test_a_taken_port_is_named_with_its_owner_and_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortInUse, match=f"Port {port} .* in use by pid {os.getpid()}") as refused:
            bind("127.0.0.1", port, "--port")

    suggested = re.search(r"--port (\d+)", str(refused.value))
    assert suggested is not None
    bind("127.0.0.1", int(suggested[1]), "--port").close()


def test_port_0_takes_any_and_the_url_tells_which() -> None:
    with bind("127.0.0.1", 0, "--port") as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(AddressUnusable, match=host):
        bind(host, 0, "--port")
