"""From messages and text to token ids and back, without trusting the text or the template.

Owned by the event loop; what takes long runs on a thread or in the child process that renders templates.
"""
