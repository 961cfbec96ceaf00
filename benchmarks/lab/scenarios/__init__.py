"""One question each; every module's `run` makes the arms, lets them take turns, and says what it found."""
