r"""The LoRA operator: y[t] ← gain ⊙ (y[t] + x[t] A(t)ᵀ B(t)) + offset for every token t of a step.

    x: [tokens, d_in]   y: [tokens, d_out]   A: [rank, d_in]   B: [rank, d_out], alpha/rank folded into B in float32
    A(t), B(t): the matrices of token t's adapter. Tokens without an adapter stay unchanged.

The step's rows are ordered so that the tokens of an adapter are contiguous (`plan`). `reference` computes the formula
token by token in float32 and is the oracle of the others: `operator`, in torch for any device, and the kernels. All
read an adapter from its slot. Nothing is gathered or stacked per step, so an adapter's bytes are in memory once and are
read once per step. At a model's two ends, rows of A are looked up, or a whole weight replaces the base's (`ends`).
Source of the idea: Punica SGMV, arXiv 2310.18547.
"""
