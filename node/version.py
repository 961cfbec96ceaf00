"""The version of this software, as pyproject.toml and the tag have it."""

VERSION = "0.1.0"
