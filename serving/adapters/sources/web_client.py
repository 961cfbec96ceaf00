"""An HTTP client that contacts only hosts that the operator allows. It checks the IP address of every redirect too."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import httpx2

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.transfer import RETRY_AFTER_S
from serving.adapters.sources.web_address import WebAddress, is_public, look_up
from serving.errors import SourceRefused, SourceUnavailable

_MAX_REDIRECTS = 5


class WebClient:
    """Follows redirects itself, and sends no cookies, credentials or proxy headers."""

    def __init__(self, source: str, allowed: AllowedSources, timeout_s: float) -> None:
        self._source = source
        self._allowed = allowed
        self._http = httpx2.Client(
            timeout=timeout_s,
            trust_env=False,  # a proxy would look names up again, after their addresses were checked
            verify=httpx2.create_ssl_context(),
            limits=httpx2.Limits(
                max_keepalive_connections=0
            ),  # connections are made to IP addresses, not to host names
        )

    def __enter__(self) -> "WebClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    @contextmanager
    def request(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """The response after all redirects, its body unread. Raises SourceRefused, SourceUnavailable."""
        try:
            response = self._follow(method, httpx2.URL(url), headers)
            try:
                yield response
            finally:
                response.close()
        except httpx2.InvalidURL as error:
            raise SourceRefused(self._source, "the server redirects to something that is not a URL") from error
        except httpx2.HTTPError as error:
            why = str(error).partition("\n")[0][:200] or type(error).__name__
            raise SourceUnavailable(self._source, f"the server cannot be reached: {why}", RETRY_AFTER_S) from error

    def _follow(self, method: str, url: httpx2.URL, headers: Mapping[str, str]) -> httpx2.Response:
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._send(method, url, headers)
            if not response.has_redirect_location:
                return response
            response.close()
            target = url.join(response.headers["Location"])
            if url.scheme == "https" and target.scheme != "https":
                raise SourceRefused(self._source, f"the server redirects to {target.scheme}:, which is not protected")
            url = target
        raise SourceRefused(self._source, f"the server redirects more than {_MAX_REDIRECTS} times")

    def _send(self, method: str, url: httpx2.URL, headers: Mapping[str, str]) -> httpx2.Response:
        """The response of the first of the host's addresses that accepts a connection.

        The request goes to an address that was checked, not to the name: its owner could point the name to a private
        address between the check and a second look-up.
        """
        addresses = self._addresses(url)
        for address in addresses:
            request = self._http.build_request(
                method,
                url.copy_with(host=address),
                headers={**headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"},
                extensions={"sni_hostname": url.host},
            )
            try:
                return self._http.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise AssertionError("a successful look-up gives at least one address")

    def _addresses(self, url: httpx2.URL) -> tuple[str, ...]:
        target = None if url.userinfo else WebAddress.parse(str(url.copy_with(query=None, fragment=None)))
        if target is None:
            problem = f"the server redirects to {str(url)[:200]!r}, which has a user or an ambiguous path"
            raise SourceRefused(self._source, problem)
        is_named = self._allowed.check_web(self._source, target)
        try:
            addresses = look_up(target.host, target.port)
        except OSError as error:
            raise SourceUnavailable(self._source, f"the host {target.host} is not found", RETRY_AFTER_S) from error
        private = [address for address in addresses if not is_public(address)]
        if private and not is_named:
            raise SourceRefused(
                self._source,
                f"{target.host} is in a private network ({private[0]}); to allow it, name it in adapter_sources as "
                f"{target.origin}/",
            )
        return addresses
