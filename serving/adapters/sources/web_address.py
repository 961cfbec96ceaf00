"""Web addresses: which are accepted, which prefix covers which, and which networks are public."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import unquote

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)"
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class WebAddress:
    """scheme://host:port/path, without user, query or fragment. path has no '..' and does not end in a slash."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> "WebAddress | None":
        """The address in `text`; None if it is malformed, or if servers may read its path in two ways."""
        match = _ADDRESS.fullmatch(text)
        if not match:
            return None
        port = int(match["port"] or _DEFAULT_PORTS[match["scheme"]])
        path = match["path"].rstrip("/")
        segments = unquote(path).split("/")[1:]
        if port > 65535 or any(segment in ("", ".", "..") for segment in segments) or {"%", "\\"} & set(unquote(path)):
            return None
        return cls(match["scheme"], match["host"].strip("[]").lower(), port, path)

    def covers(self, other: "WebAddress") -> bool:
        """Whether `other` is this address or below it."""
        same_host = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same_host and f"{other.path}/".startswith(f"{self.path}/")

    @property
    def is_loopback(self) -> bool:
        """Whether the host is a loopback address or "localhost"; other names are not looked up."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def origin(self) -> str:
        """scheme://host, with the port unless it is the scheme's default (RFC 6454)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return self.origin + self.path


def look_up(host: str, port: int) -> tuple[str, ...]:
    """The IP addresses of a host, in the order in which to try them. Raises OSError."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for _, _, _, _, address in answers))


def is_public(address: str) -> bool:
    """Whether an IP address is routed on the internet. False if it embeds another address, which may be private."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not ip.is_multicast
