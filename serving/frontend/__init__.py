"""The event loop's part of serving: what a request asks for, which adapter it means, and the stream it gets back.

Everything here runs on the event loop of the `Service`. It sends commands to the engine's mailbox and receives each
step's events; it never touches the model, the slots or the pages.
"""
