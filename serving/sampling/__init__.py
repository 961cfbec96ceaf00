"""From logits to tokens: draws, penalties, log probabilities and grammars.

The engine thread draws and advances matchers. Grammars are compiled, and their next token masks computed, on a thread
pool of their own. Nothing here knows sequences or pages.
"""
