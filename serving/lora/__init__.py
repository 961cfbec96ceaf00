r"""The LoRA operator: y[t] ← gain ⊙ (y[t] + x[t] A(t)ᵀ B(t)) + offset for every token t of a step.

    x: [tokens, d_in]   y: [tokens, d_out]   A: [rank, d_in]   B: [rank, d_out], alpha/rank folded into B in float32
    A(t), B(t): of token t's adapter; tokens of the base alone have none and stay untouched.

The step's rows are ordered so that an adapter's tokens are neighbours (`plan`). `reference` computes the formula token
by token in float32 and is the oracle of the others: `operator`, plain torch for any device, and the kernels. All read
an adapter where it lies in its slot: nothing is gathered or stacked per step, so an adapter's bytes are in memory once
and are read once per step. At a model's two ends rows are looked up in A, or a whole weight stands in for the
base's (`ends`). Source of the idea: Punica SGMV, arXiv 2310.18547.
"""
