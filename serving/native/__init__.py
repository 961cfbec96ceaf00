"""The layers of a step on a CPU, in C, compiled at start by the machine's own compiler for its own processor.

`kernels/` holds the C code, `build` compiles it and keeps the result, `library` binds it with ctypes, `packed` stores
weights in its layout, and `decoder` runs a model. On a machine without a compiler the same model runs in torch
(`serving.models.fused`), more slowly. The alternative, torch's private packed layouts, is slower and may change
(docs/experiments.md). The engine thread runs the steps; compiling and packing happen at start.
"""
