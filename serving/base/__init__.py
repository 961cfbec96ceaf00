"""Start-up: reads the base model, checks what our parts compute against it, and chooses device, dtype and kernels.

It runs once, on the thread that starts the service, before the engine thread exists. Nothing here is called while
requests are served.
"""
