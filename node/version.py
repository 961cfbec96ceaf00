"""The version of this software, equal to the version in pyproject.toml and to the git tag."""

VERSION = "0.1.0"
