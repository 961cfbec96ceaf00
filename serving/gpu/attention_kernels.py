r"""Attention over the paged cache in Triton kernels: `store` fills it; `decode` and `combine`, or `prefill`, read it.

    arena     [pages, PAGE, elements]   a token's row: its keys over all heads, then its values (serving/kv/cache.py)
    pages     int64, the page tables of all rows, concatenated; a row's starts at its `pages_at`

    out[t] = softmax_p(scaling q[t]·k[p]) v[p]   over p of t's own sequence, position(t) - window < p ≤ position(t)

The readers keep, per query, the largest score m so far, l = Σ 2^(s - m) and acc = Σ 2^(s - m) v, where s is the score
in units of log2 (online softmax: Milakov and Gimelshein, arXiv 1805.02867). m starts at a finite number, -1e30, so that
2^(m - m) is 1 and not NaN where no key was seen. Only tokens of the sequence itself are loaded, so numbers that other
sequences have left in its pages have no effect. "No window" is a window longer than any sequence.

In `decode` the queries that share a key head form one block, so keys and values are read once for all of them. DOT as
in `lora_kernels`. Lengths and pages are data: grids depend only on the number of rows and tiles.
"""

import triton
import triton.language as tl


@triton.jit
def store(
    arena: tl.tensor,
    rows: tl.tensor,
    places: tl.tensor,
    row_stride: tl.tensor,
    ELEMENTS: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """arena row places[t] ← rows[t]; places below 0 are dropped.   places: [tokens] int64, each page * PAGE + offset.

    Grid: (tokens,). rows: [tokens, ELEMENTS], the step's keys and values.
    """
    token = tl.program_id(0)
    place = tl.load(places + token)
    if place < 0:
        return
    for first in tl.static_range(0, ELEMENTS, BLOCK):
        at = first + tl.arange(0, BLOCK)
        row = tl.load(rows + token * row_stride + at, mask=at < ELEMENTS)
        tl.store(arena + place * ELEMENTS + at, row, mask=at < ELEMENTS)


@triton.jit
def _attend(
    q: tl.tensor,
    position: tl.tensor,
    begin: tl.tensor,
    end: tl.tensor,
    pages: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    token_stride: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    KEY_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
    PAGE: tl.constexpr,
    DOT: tl.constexpr,
) -> tl.tensor:
    """acc [BLOCK_M, BLOCK_V], m and l [BLOCK_M] of queries q [BLOCK_M, BLOCK_K] over positions begin to end.

    keys, values: of one key head, in page 0.   scale: scaling / ln 2.
    """
    acc = tl.zeros((BLOCK_M, BLOCK_V), dtype=tl.float32)
    m = tl.full((BLOCK_M,), -1.0e30, dtype=tl.float32)
    mass = tl.zeros((BLOCK_M,), dtype=tl.float32)
    dk = tl.arange(0, BLOCK_K)
    dv = tl.arange(0, BLOCK_V)
    for first in range(begin, end, BLOCK_N):
        n = first + tl.arange(0, BLOCK_N)
        own = n < end
        row = (tl.load(pages + n // PAGE, mask=own, other=0) * PAGE + n % PAGE) * token_stride
        k = tl.load(keys + row[None, :] + dk[:, None], mask=own[None, :] & (dk[:, None] < KEY_DIM), other=0.0)
        scores = tl.dot(q.to(DOT), k.to(DOT), input_precision="ieee") * scale
        seen = own[None, :] & (n[None, :] <= position[:, None]) & (n[None, :] > position[:, None] - window)
        scores = tl.where(seen, scores, float("-inf"))
        highest = tl.maximum(m, tl.max(scores, 1))
        p = tl.exp2(scores - highest[:, None])
        faded = tl.exp2(m - highest)
        v = tl.load(values + row[:, None] + dv[None, :], mask=own[:, None] & (dv[None, :] < VALUE_DIM), other=0.0)
        acc = tl.dot(p.to(DOT), v.to(DOT), acc * faded[:, None], input_precision="ieee")
        mass = mass * faded + tl.sum(p, 1)
        m = highest
    return acc, m, mass


@triton.jit(do_not_specialize=["window"])
def decode(
    partial: tl.tensor,
    softmax: tl.tensor,
    query: tl.tensor,
    arena: tl.tensor,
    pages: tl.tensor,
    pages_at: tl.tensor,
    lengths: tl.tensor,
    query_stride: tl.tensor,
    token_stride: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SPLITS: tl.constexpr,
    KEY_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
    PAGE: tl.constexpr,
    DOT: tl.constexpr,
) -> None:
    """partial [rows, HEADS, SPLITS, VALUE_DIM]: acc of every part; softmax [rows, HEADS, SPLITS, 2]: its m and l.

    Grid: (rows, KV_HEADS, SPLITS). Row i is the token at position lengths[i] - 1 of its sequence. The positions
    that it attends to are split into SPLITS parts of whole blocks. An empty part has l = 0, as have all parts of a row
    of length 0.
    """
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length = tl.load(lengths + row)
    first = tl.maximum(length - window, 0) // BLOCK_N * BLOCK_N
    part = tl.cdiv(tl.cdiv(length - first, SPLITS), BLOCK_N) * BLOCK_N
    begin = first + split * part
    group = tl.arange(0, BLOCK_M)
    mine = group < HEADS // KV_HEADS
    heads = head * (HEADS // KV_HEADS) + group
    d = tl.arange(0, BLOCK_K)
    at = query + row * query_stride + heads[:, None] * KEY_DIM + d[None, :]
    q = tl.load(at, mask=mine[:, None] & (d[None, :] < KEY_DIM), other=0.0)
    acc, m, mass = _attend(
        q,
        tl.full((BLOCK_M,), 0, dtype=tl.int64) + length - 1,
        begin,
        tl.minimum(begin + part, length),
        pages + tl.load(pages_at + row),
        arena + head * KEY_DIM,
        arena + KV_HEADS * KEY_DIM + head * VALUE_DIM,
        token_stride,
        window,
        scale,
        KEY_DIM,
        VALUE_DIM,
        BLOCK_M,
        BLOCK_N,
        BLOCK_K,
        BLOCK_V,
        PAGE,
        DOT,
    )
    into = (row * HEADS + heads) * SPLITS + split
    dv = tl.arange(0, BLOCK_V)
    tl.store(partial + into[:, None] * VALUE_DIM + dv[None, :], acc, mask=mine[:, None] & (dv[None, :] < VALUE_DIM))
    tl.store(softmax + into * 2, m, mask=mine)
    tl.store(softmax + into * 2 + 1, mass, mask=mine)


@triton.jit
def combine(
    out: tl.tensor,
    partial: tl.tensor,
    softmax: tl.tensor,
    HEADS: tl.constexpr,
    SPLITS: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_V: tl.constexpr,
) -> None:
    """out[row, head] = Σ_s 2^(m_s - m) acc_s / Σ_s 2^(m_s - m) l_s with m = max m_s; zeros for an empty row.

    Grid: (rows, HEADS). out: [rows, HEADS * VALUE_DIM].
    """
    head = tl.program_id(0) * HEADS + tl.program_id(1)
    s = head * SPLITS + tl.arange(0, SPLITS)
    d = tl.arange(0, BLOCK_V)
    m = tl.load(softmax + s * 2)
    weight = tl.exp2(m - tl.max(m, 0))
    mass = tl.sum(weight * tl.load(softmax + s * 2 + 1), 0)
    acc = tl.load(partial + s[:, None] * VALUE_DIM + d[None, :], mask=d[None, :] < VALUE_DIM, other=0.0)
    attended = tl.sum(acc * weight[:, None], 0) / tl.where(mass > 0, mass, 1.0)
    tl.store(out + head * VALUE_DIM + d, attended.to(out.dtype.element_ty), mask=d < VALUE_DIM)


@triton.jit(do_not_specialize=["window"])
def prefill(
    out: tl.tensor,
    query: tl.tensor,
    arena: tl.tensor,
    pages: tl.tensor,
    tiles: tl.tensor,
    query_stride: tl.tensor,
    token_stride: tl.tensor,
    window: tl.tensor,
    scale: tl.tensor,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    KEY_DIM: tl.constexpr,
    VALUE_DIM: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_V: tl.constexpr,
    PAGE: tl.constexpr,
    DOT: tl.constexpr,
) -> None:
    """Attention of contiguous tokens of one sequence; their own keys and values are in the cache already.

    Grid: (tiles, HEADS). tiles: [n, 4] int64: first token of the step, tokens, position of the first, `pages_at`.
    out: [tokens, HEADS * VALUE_DIM].
    """
    tile, head = tiles + tl.program_id(0) * 4, tl.program_id(1)
    t = tl.arange(0, BLOCK_T)
    live = t < tl.load(tile + 1)
    token = tl.load(tile) + t
    start = tl.load(tile + 2)
    d = tl.arange(0, BLOCK_K)
    at = query + token[:, None] * query_stride + head * KEY_DIM + d[None, :]
    q = tl.load(at, mask=live[:, None] & (d[None, :] < KEY_DIM), other=0.0)
    kv_head = head // (HEADS // KV_HEADS)
    acc, _, mass = _attend(
        q,
        start + t,
        tl.maximum(start + 1 - window, 0) // BLOCK_N * BLOCK_N,
        start + tl.load(tile + 1),
        pages + tl.load(tile + 3),
        arena + kv_head * KEY_DIM,
        arena + KV_HEADS * KEY_DIM + kv_head * VALUE_DIM,
        token_stride,
        window,
        scale,
        KEY_DIM,
        VALUE_DIM,
        BLOCK_T,
        BLOCK_N,
        BLOCK_K,
        BLOCK_V,
        PAGE,
        DOT,
    )
    dv = tl.arange(0, BLOCK_V)
    into = out + (token[:, None] * HEADS + head) * VALUE_DIM + dv[None, :]
    attended = acc / tl.where(mass > 0, mass, 1.0)[:, None]
    tl.store(into, attended.to(out.dtype.element_ty), mask=live[:, None] & (dv[None, :] < VALUE_DIM))
