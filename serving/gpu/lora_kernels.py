r"""The LoRA operator in two Triton kernels: `shrink` to the rank, `expand` to the output.

    tile table     [tiles, 3] int64       row of the slot table, first token, tokens; one adapter per tile
    slot table     [rows, …] int64        per group and member five fields: rank, addresses of A, B, gain, offset
    z              [splits, members, tokens, width] float32, the result of the first kernel

A tile has at most BLOCK_T tokens. A tile without tokens is unused, and its programs end at once. So the grid depends
only on the number of tiles, while adapters, ranks and addresses are data: one captured graph serves every mix of
adapters. Each program loops over its adapter's true rank in blocks of BLOCK_R: nothing is padded, and A and B are read
from their slot.

DOT is the type in which matrix units multiply; sums are float32. The interpreter has no bfloat16 and uses float32.
"""

import triton
import triton.language as tl


@triton.jit
def _module(
    tiles: tl.tensor, table: tl.tensor, row_stride: tl.tensor, group_at: tl.tensor, member: tl.tensor
) -> tl.tensor:
    """The address of this program's module in the slot table."""
    return table + tl.load(tiles + tl.program_id(0) * 3) * row_stride + group_at + member * 5


@triton.jit
def _matrix(module: tl.tensor, field: tl.constexpr, element: tl.constexpr) -> tl.tensor:
    """A field as a pointer. Slots align every tensor to 16 bytes, which allows the widest loads."""
    return tl.multiple_of(tl.load(module + field).to(tl.pointer_type(element)), 16)


@triton.jit(do_not_specialize=["group_at", "z_tokens"])
def shrink(
    z: tl.tensor,
    x: tl.tensor,
    tiles: tl.tensor,
    table: tl.tensor,
    row_stride: tl.tensor,
    group_at: tl.tensor,
    d_in: tl.tensor,
    x_stride: tl.tensor,
    z_tokens: tl.tensor,
    z_width: tl.tensor,
    MEMBERS: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr,
    DOT: tl.constexpr,
) -> None:
    """z[s, m, t, r] = Σ_k x[t, k] A[r, k], k over part s of d_in, with A of member m of token t's adapter.

    Grid: (tiles, MEMBERS * SPLITS). A step of few tokens has few tiles, so d_in is split to keep the device busy.
    `expand` sums the parts, always in the same order.
    """
    tokens = tl.load(tiles + tl.program_id(0) * 3 + 2)
    if tokens == 0:
        return
    member = tl.program_id(1) // SPLITS
    split = tl.program_id(1) % SPLITS
    module = _module(tiles, table, row_stride, group_at, member)
    rank = tl.load(module)
    a = _matrix(module, 1, x.dtype.element_ty)
    t = tl.arange(0, BLOCK_T)[:, None]
    at = tl.load(tiles + tl.program_id(0) * 3 + 1) + t
    part = tl.cdiv(tl.cdiv(d_in, SPLITS), BLOCK_K) * BLOCK_K
    end = tl.minimum((split + 1) * part, d_in)
    for first_r in range(0, rank, BLOCK_R):
        r = first_r + tl.arange(0, BLOCK_R)
        acc = tl.zeros((BLOCK_T, BLOCK_R), dtype=tl.float32)
        for first_k in range(split * part, end, BLOCK_K):
            k = first_k + tl.arange(0, BLOCK_K)
            xs = tl.load(x + at * x_stride + k[None, :], mask=(t < tokens) & (k[None, :] < end), other=0.0)
            columns = tl.load(
                a + r[None, :] * d_in + k[:, None], mask=(r[None, :] < rank) & (k[:, None] < end), other=0.0
            )
            acc = tl.dot(xs.to(DOT), columns.to(DOT), acc, input_precision="ieee")
        into = z + ((split * MEMBERS + member) * z_tokens + at) * z_width + r[None, :]
        tl.store(into, acc, mask=(t < tokens) & (r[None, :] < rank))


@triton.jit(do_not_specialize=["group_at", "z_tokens"])
def expand(
    y: tl.tensor,
    z: tl.tensor,
    tiles: tl.tensor,
    table: tl.tensor,
    blocks: tl.tensor,
    row_stride: tl.tensor,
    group_at: tl.tensor,
    y_stride: tl.tensor,
    z_tokens: tl.tensor,
    z_width: tl.tensor,
    MEMBERS: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_N: tl.constexpr,
    ALIGNED: tl.constexpr,
    DOT: tl.constexpr,
) -> None:
    """y[t, n] ← gain[n] (y[t, n] + Σ_r (Σ_s z[s, m, t, r]) B[r, n]) + offset[n], changed in place.

    Grid: (tiles, column blocks). blocks: [column blocks, 4] int64: member m, which of its blocks this is, the member's
    first column in y, the member's width. ALIGNED: the last two are multiples of 16, so loads can be wide.
    """
    tokens = tl.load(tiles + tl.program_id(0) * 3 + 2)
    if tokens == 0:
        return
    block = blocks + tl.program_id(1) * 4
    member = tl.load(block)
    module = _module(tiles, table, row_stride, group_at, member)
    rank = tl.load(module)
    if rank < 0:
        return
    t = tl.arange(0, BLOCK_T)[:, None]
    at = tl.load(tiles + tl.program_id(0) * 3 + 1) + t
    n = tl.load(block + 1) * BLOCK_N + tl.arange(0, BLOCK_N)
    column = tl.load(block + 2)
    width = tl.load(block + 3)
    if ALIGNED:
        column = tl.multiple_of(column, 16)
        width = tl.multiple_of(width, 16)
    b = _matrix(module, 2, y.dtype.element_ty)
    acc = tl.zeros((BLOCK_T, BLOCK_N), dtype=tl.float32)
    for first_r in range(0, rank, BLOCK_R):
        r = first_r + tl.arange(0, BLOCK_R)
        zs = tl.zeros((BLOCK_T, BLOCK_R), dtype=tl.float32)
        for split in tl.static_range(SPLITS):
            part = z + ((split * MEMBERS + member) * z_tokens + at) * z_width + r[None, :]
            zs += tl.load(part, mask=(t < tokens) & (r[None, :] < rank), other=0.0)
        rows = tl.load(b + r[:, None] * width + n[None, :], mask=(r[:, None] < rank) & (n[None, :] < width), other=0.0)
        acc = tl.dot(zs.to(DOT), rows.to(DOT), acc, input_precision="ieee")
    out = y + at * y_stride + column + n[None, :]
    inside = (t < tokens) & (n[None, :] < width)
    acc += tl.load(out, mask=inside, other=0.0).to(tl.float32)
    tl.store(out, _scaled(acc, module, n, width).to(y.dtype.element_ty), mask=inside)


@triton.jit
def _scaled(acc: tl.tensor, module: tl.tensor, n: tl.tensor, width: tl.tensor) -> tl.tensor:
    """gain ⊙ acc + offset, for those of the two that the module has."""
    if tl.load(module + 3) != 0:
        acc *= tl.load(_matrix(module, 3, tl.float32) + n, mask=n < width, other=0.0)[None, :]
    if tl.load(module + 4) != 0:
        acc += tl.load(_matrix(module, 4, tl.float32) + n, mask=n < width, other=0.0)[None, :]
    return acc
