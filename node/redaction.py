"""Keeps the secrets in configured URLs out of logs, answers and terminals.

Providers of chain access put an API key into a URL's userinfo, path or query. Of a URL with a host only the scheme, the
host and the port may be shown. Errors of HTTP and database libraries repeat parts of a URL, so text that leaves the
process goes through a `Redactor` as well.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

MASK = "***"
_LEAST_SECRET = 8
"""Characters of the shortest path segment, user name or query value that is hidden where it appears by itself."""
_LEAST_PASSWORD = 4
"""The same for a password, which is never an ordinary word of a message by intention."""


def shown_url(url: str) -> str:
    """`url` as it may be shown: scheme, host and port, then `/***` for all that was left out.

    URLs without a host (`sqlite:///node.db`) name a local file and stay whole; text that is no URL is hidden whole.
    """
    parts = _split(url)
    if parts is None:
        return MASK
    if not parts.netloc:
        return url if parts.scheme == "sqlite" and not parts.query else f"{parts.scheme}://{MASK}"
    if "@" in parts.path + parts.query + parts.fragment:  # a password with a slash: what seems to be the host is not
        return f"{parts.scheme}://{MASK}"
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return f"{place}/{MASK}" if _has_secrets(parts) else place


class Redactor:
    """Replaces configured URLs in any text by their `shown_url`, and their secret parts by `***` wherever they appear.

    Parts are also found percent-encoded, percent-decoded, and as JSON escapes them.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self.urls = tuple(dict.fromkeys(urls))

    def __call__(self, text: str) -> str:
        """`text` without the secrets."""
        for secret, replacement in self._replacements:
            text = secret.sub(lambda _, shown=replacement: shown, text)  # type: ignore[misc]  # the default binds early
        return text

    @cached_property
    def _replacements(self) -> list[tuple[re.Pattern[str], str]]:
        """Whole URLs first, then ever shorter parts: a part must not spoil the whole that contains it."""
        made: dict[str, tuple[str, str]] = {}
        for url in self.urls:
            if shown_url(url) == url.rstrip("/"):
                continue
            for spelled in _spellings(url.rstrip("/")):
                made.setdefault(spelled, (re.escape(spelled), shown_url(url)))
            parts = _split(url)
            for secret, pattern in _secrets(parts) if parts is not None else _words(re.split(r"[/?&=@:#]+", url)):
                made.setdefault(secret, (pattern, MASK))
        return [(re.compile(made[secret][0]), made[secret][1]) for secret in sorted(made, key=len, reverse=True)]


NOTHING_SECRET = Redactor(())
"""Leaves every text as it is."""


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None for what is none."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises where it is no number
    except ValueError:
        return None
    return parts if parts.scheme and "://" in url else None


def _has_secrets(parts: SplitResult) -> bool:
    return "@" in parts.netloc or parts.path not in ("", "/") or bool(parts.query or parts.fragment)


def _secrets(parts: SplitResult) -> Iterator[tuple[str, str]]:
    """Each secret part of a URL with a host, and the pattern that finds it."""
    if not parts.netloc:
        return
    user_info = parts.netloc.rpartition("@")[0]
    user, _, password = user_info.partition(":")
    yield from _words([*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query)), parts.fragment])
    yield from _words([user] if parts.scheme in ("http", "https") else [])
    yield from _words([password], _LEAST_PASSWORD)
    for whole in (user_info if password else "", parts.query, parts.fragment):
        yield from ((spelled, re.escape(spelled)) for spelled in _spellings(whole))
    path = parts.path.rstrip("/")
    for spelled in _spellings(path):  # a short path such as /v1 begins other paths too
        follows = "" if any(len(word) >= _LEAST_SECRET for word in path.split("/")) else r"(?![A-Za-z0-9_./-])"
        yield spelled, rf"(?<![A-Za-z0-9_.-]){re.escape(spelled)}{follows}"


def _words(words: Iterable[str], least: int = _LEAST_SECRET) -> Iterator[tuple[str, str]]:
    """The words of at least that many characters, found where they are not part of a longer word."""
    for spelled in (spelling for word in words if len(word) >= least for spelling in _spellings(word)):
        yield spelled, rf"(?<![A-Za-z0-9_.-]){re.escape(spelled)}(?![A-Za-z0-9_-])"


def _spellings(text: str) -> list[str]:
    """How libraries may write a part of a URL; nothing for a part that is empty."""
    plain = dict.fromkeys((text, unquote(text), quote(text, safe="/:@?&=%+,;~!$'()*[]")))
    return [word for word in dict.fromkeys([*plain, *(json.dumps(word)[1:-1] for word in plain)]) if word]
