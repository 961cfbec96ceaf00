"""The layers of a step on a CPU, in C: compiled at start by the machine's own compiler, for its own processor.

`kernels/` has the code; `build` compiles and keeps it; `library` is its border; `packed` holds the weights as it reads
them; `decoder` runs a model. Where no compiler is found the same model runs in plain torch (`serving.models.fused`),
more slowly. torch's private packed layouts were the alternative (docs/experiments.md): they are slower and may change.
"""
