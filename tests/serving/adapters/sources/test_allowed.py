"""The operator's allow-list covers what is written and nothing else."""

from pathlib import Path

import pytest

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.web_address import WebAddress
from serving.errors import SourceRefused


def address(text: str) -> WebAddress:
    parsed = WebAddress.parse(text)
    assert parsed is not None
    return parsed


def test_nothing_is_allowed_by_default() -> None:
    nothing = AllowedSources.parse([])

    for refused in (
        lambda: nothing.check_file("x", Path("/srv/x")),
        lambda: nothing.check_hub("x", "acme/x"),
        lambda: nothing.check_s3("x", "bucket/x"),
        lambda: nothing.check_web("x", address("https://host/x")),
    ):
        with pytest.raises(SourceRefused):
            refused()


@pytest.mark.parametrize(("path", "allowed"), [("/srv/x", True), ("/srv", True), ("/srv-2/x", False), ("/", False)])
def test_a_folder_covers_what_is_below_it(path: str, allowed: bool) -> None:
    sources = AllowedSources.parse(["file:/srv"])

    if allowed:
        sources.check_file("x", Path(path))
    else:
        with pytest.raises(SourceRefused, match="outside the folders"):
            sources.check_file("x", Path(path))


@pytest.mark.parametrize(
    ("prefix", "bucket", "allowed"),
    [
        ("s3:", "any/x", True),
        ("s3://bucket", "bucket/x", True),
        ("s3://bucket/a/", "bucket/a/x", True),
        ("s3://bucket/a", "bucket/ab", False),
        ("s3://bucket", "bucket-2/x", False),
    ],
)
def test_an_s3_prefix_ends_at_a_slash(prefix: str, bucket: str, allowed: bool) -> None:
    sources = AllowedSources.parse([prefix])

    if allowed:
        sources.check_s3("x", bucket)
    else:
        with pytest.raises(SourceRefused):
            sources.check_s3("x", bucket)


def test_only_a_named_web_host_may_be_private() -> None:
    sources = AllowedSources.parse(["https:", "https://10.0.0.1/a"])

    assert sources.check_web("x", address("https://10.0.0.1/a/b"))
    assert not sources.check_web("x", address("https://10.0.0.1/other"))
    with pytest.raises(SourceRefused):
        sources.check_web("x", address("http://host/x"))


@pytest.mark.parametrize(
    "prefix",
    ["http:", "http://example.org/", "https://a b/", "https://host/../x", "ftp:", "", "https://", "https://user@host/"],
)
def test_a_prefix_that_means_nothing_is_refused(prefix: str) -> None:
    with pytest.raises(SourceRefused):
        AllowedSources.parse([prefix])
