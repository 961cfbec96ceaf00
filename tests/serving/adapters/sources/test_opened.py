"""The scheme of a source chooses its kind; anything else is refused before it reaches a parser."""

import pytest

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.hub import HubSource
from serving.adapters.sources.local import FileSource
from serving.adapters.sources.opened import open_source
from serving.adapters.sources.s3 import S3Source
from serving.adapters.sources.source import SourceSettings
from serving.adapters.sources.web import WebSource
from serving.errors import SourceRefused

ALLOWED = AllowedSources.parse(["file:", "hf:", "s3:", "https:"])


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("file:/srv/x", FileSource),
        ("hf:acme/x@main", HubSource),
        ("s3://bucket/x", S3Source),
        ("https://host/x", WebSource),
    ],
)
def test_the_scheme_chooses_the_kind(source: str, kind: type) -> None:
    opened = open_source(source, ALLOWED, SourceSettings())

    assert isinstance(opened, kind)
    assert opened.remote is (kind is not FileSource)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x",
        "acme/x",
        "file",
        "hf",
        "ftp://host/x",
        "FILE:/srv/x",
        "file:",
        "file:/a\nb",
        "file:/\0",
        "hf:" + "x" * 5000,
    ],
)
def test_anything_else_is_refused(source: str) -> None:
    with pytest.raises(SourceRefused) as refusal:
        open_source(source, ALLOWED, SourceSettings())

    assert len(str(refusal.value)) < 300
