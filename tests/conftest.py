"""Settings for every test."""

import gc
import os

# Triton decides when it is imported whether its kernels are interpreted, and any of a dozen libraries may import it.
# `make test-gpu` says 0: there the same tests run the compiled kernels.
os.environ.setdefault("TRITON_INTERPRET", "1")

from hypothesis import settings

settings.register_profile("no-timing", deadline=None)  # a busy machine is not a failure
settings.load_profile("no-timing")


def pytest_collection_finish() -> None:
    """Exempts the imported libraries, half a million objects, from every full garbage collection of the tests."""
    gc.freeze()
