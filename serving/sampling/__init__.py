"""From logits to tokens: sampling, penalties, log probabilities and grammars.

The engine thread samples and advances matchers. A thread pool of its own compiles grammars and computes their next
token masks. Nothing here knows sequences or pages.
"""
