"""One question per module: its `run` builds the arms, lets them take turns, and returns what was measured."""
