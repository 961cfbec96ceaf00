r"""The LoRA operator: y[t] += x[t] @ A[s(t)] @ B[s(t)] for every token t of a step.

    x: [tokens, d_in]   y: [tokens, d_out]   A: [d_in, rank]   B: [rank, d_out], alpha/rank folded into B in float32
    s(t): the slot of token t's adapter; tokens of the base alone have none and stay untouched.

`reference` computes this token by token in float32 and is the oracle. `operator` computes it for one step on a CPU:

- the step's rows are ordered by adapter once (`layout`), so that an adapter's tokens are one contiguous segment;
- the adapters of a step lie side by side in a stack (`stack`), which changes only where the set of adapters changes;
- linears with one input are one group (`groups`): q, k and v share one product with their A's;
- decode rows of different adapters are multiplied together: one `bmm` over the stack's lanes [lanes, d_in, rank], with
  short segments padded to a common length;
- a prompt's rows, and an adapter with many rows, are plain matrix products on that adapter's own lane;
- no adapter: nothing happens.

Source of the idea: Punica SGMV, arXiv 2310.18547.
"""
