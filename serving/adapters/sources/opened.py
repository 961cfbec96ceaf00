"""Parses sources: `hf:org/name@revision`, `file:/path`, `s3://bucket/prefix`, `https://…`."""

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.hub import HubSource
from serving.adapters.sources.local import FileSource
from serving.adapters.sources.s3 import S3Source
from serving.adapters.sources.source import Source, SourceSettings
from serving.adapters.sources.web import WebSource
from serving.errors import SourceRefused

_MAX_SOURCE_CHARS = 4096


def open_source(source: str, allowed: AllowedSources, settings: SourceSettings) -> Source:
    """The source that the string `source` names. Nothing is contacted yet. Raises SourceRefused."""
    if len(source) > _MAX_SOURCE_CHARS or not source.isprintable():
        raise SourceRefused(source[:80], "a source is at most 4096 printable characters")
    scheme, separator, rest = source.partition(":")
    if scheme == "hf" and separator:
        return HubSource.parse(source, rest, allowed, settings)
    if scheme == "file" and separator:
        return FileSource.parse(source, rest, allowed, settings)
    if scheme == "s3" and separator:
        return S3Source.parse(source, rest, allowed, settings)
    if scheme in ("https", "http"):
        return WebSource.parse(source, allowed, settings)
    raise SourceRefused(source, "write hf:org/name@revision, file:/path/of/folder, s3://bucket/prefix or https://…")
