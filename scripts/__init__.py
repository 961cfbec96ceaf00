"""Commands for developers: installing, checking, training the starter pack. Not shipped in the wheel."""
