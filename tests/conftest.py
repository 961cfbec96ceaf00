"""Settings for every test."""

from hypothesis import settings

settings.register_profile("no-timing", deadline=None)  # a busy machine is not a failure
settings.load_profile("no-timing")
