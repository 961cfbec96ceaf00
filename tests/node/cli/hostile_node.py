"""A server that answers every path with fixed bytes, and may go on for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@contextmanager
def answering(head: bytes, body: bytes, endless: bytes = b"") -> Iterator[str]:
    """The URL of a server that sends `head`, a blank line and `body`, then `endless` until the client has enough."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # the block has ended
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        connection.recv(65_536)
                        connection.sendall(head + b"\r\n" + body)
                        while endless:
                            connection.sendall(endless)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
