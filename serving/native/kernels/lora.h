/* y[t] ← gain ⊙ (y[t] + x[t] Aᵀ B) + offset, with the modules of token t's adapter, read from its slot.
 *
 * A step's tokens are cut into pieces: contiguous tokens of one adapter, few enough that there are pieces for all threads.
 * `shrink` computes h = x Aᵀ of every piece in float. `expand` computes y from h and B, some columns of all tokens of a piece
 * at a time, so that a weight is read from memory once.
 */
#pragma once

#include "element.h"

typedef struct {
    const element *a, *b;       /* [rank, d_in], [rank, d_out] */
    const float *gain, *offset; /* [d_out], or NULL */
    int64_t rank;               /* 0: the adapter has no such module */
} Module;

typedef struct {
    const Module *modules; /* of the adapter, by module number */
    int64_t start, end;    /* tokens of the step */
} Piece;

typedef struct {
    int64_t first_module, members;
    int64_t widths[3]; /* of the members' outputs, which are contiguous */
} Group;

typedef struct {
    const Piece *pieces;
    int64_t count;
    float *hidden;         /* [tokens, 3, most_rank] */
    int64_t most_rank;     /* of any module of any piece */
} Adapters;

enum {
    COLUMNS = 512,      /* columns of y per task */
    SHRINK_ROWS = 8,    /* rows of A at once */
    EXPAND_VECTORS = 8, /* vectors of y at once: whole cache lines of B */
};

/* How many tasks a thread takes at once: few enough that other threads finish the work of a delayed thread. */
INLINE int64_t chunk_of(int64_t tasks) { return 1 + tasks / 16; }

INLINE float *hidden_of(const Adapters *adapters, int64_t token, int64_t member) {
    return adapters->hidden + (token * 3 + member) * adapters->most_rank;
}

/* h[0 .. rows) = rows of A times x. Independent sums hide each other's latency. */
INLINE void shrink_rows(int rows, const element *a, const element *x, int64_t d_in, float *h) {
    const int64_t step = LANES * PER_WORD;
    floats sums[SHRINK_ROWS];
    for (int r = 0; r < rows; r++) sums[r] = (floats){0};
    int64_t i = 0;
    for (; i + step <= d_in; i += step) {
        const words input = load_words((const uint32_t *)(x + i));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            sums[r] = add_products(sums[r], load_words((const uint32_t *)(a + r * d_in + i)), input);
    }
    for (int r = 0; r < rows; r++) {
        h[r] = sum_of(sums[r]);
        for (int64_t k = i; k < d_in; k++) h[r] += to_float(a[r * d_in + k]) * to_float(x[k]);
    }
}

/* h = x Aᵀ for every piece and member of the group. Distributed over the team's threads, without a barrier. */
static void shrink(const Adapters *adapters, const Group *group, const element *x, int64_t d_in) {
    const int64_t tasks = adapters->count * group->members;
#pragma omp for schedule(dynamic, chunk_of(tasks)) nowait
    for (int64_t task = 0; task < tasks; task++) {
        const Piece *piece = adapters->pieces + task / group->members;
        const int64_t member = task % group->members;
        const Module *module = piece->modules + group->first_module + member;
        fetch(module->b, module->rank * group->widths[member]);
        int64_t r = 0;
        for (; r + SHRINK_ROWS <= module->rank; r += SHRINK_ROWS)
            for (int64_t token = piece->start; token < piece->end; token++)
                shrink_rows(SHRINK_ROWS, module->a + r * d_in, x + token * d_in, d_in,
                            hidden_of(adapters, token, member) + r);
        for (; r < module->rank; r++)
            for (int64_t token = piece->start; token < piece->end; token++)
                hidden_of(adapters, token, member)[r] = dot(module->a + r * d_in, x + token * d_in, d_in);
    }
}

/* Updates `vectors` × 16 columns of y for one token. */
INLINE void expand_columns(int vectors, const Module *module, const float *h, element *y, int64_t column, int64_t d_out) {
    floats sums[EXPAND_VECTORS];
    for (int v = 0; v < vectors; v++) sums[v] = load_elements(y + v * LANES);
    for (int64_t r = 0; r < module->rank; r++) {
        const element *b = module->b + r * d_out + column;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) sums[v] += load_elements(b + v * LANES) * h[r];
    }
    for (int v = 0; v < vectors; v++) {
        if (module->gain) sums[v] *= load_floats(module->gain + column + v * LANES);
        if (module->offset) sums[v] += load_floats(module->offset + column + v * LANES);
        store_elements(y + v * LANES, sums[v]);
    }
}

INLINE void expand_column(const Module *module, const float *h, element *y, int64_t column, int64_t d_out) {
    float sum = to_float(*y);
    for (int64_t r = 0; r < module->rank; r++) sum += to_float(module->b[r * d_out + column]) * h[r];
    if (module->gain) sum *= module->gain[column];
    if (module->offset) sum += module->offset[column];
    *y = to_element(sum);
}

/* y from h and B. y: [tokens, all widths]. Distributed over the team's threads; ends with a barrier. */
static void expand(const Adapters *adapters, const Group *group, element *y) {
    int64_t widest = 0, total = 0, starts[3] = {0};
    for (int64_t member = 0; member < group->members; member++) {
        starts[member] = total;
        total += group->widths[member];
        widest = group->widths[member] > widest ? group->widths[member] : widest;
    }
    const int64_t chunks = (widest + COLUMNS - 1) / COLUMNS, per_piece = group->members * chunks;
    const int64_t tasks = adapters->count * per_piece;
#pragma omp for schedule(dynamic, chunk_of(tasks))
    for (int64_t task = 0; task < tasks; task++) {
        const Piece *piece = adapters->pieces + task / per_piece;
        const int64_t member = task % per_piece / chunks, width = group->widths[member];
        const Module *module = piece->modules + group->first_module + member;
        int64_t column = task % chunks * COLUMNS, end = column + COLUMNS < width ? column + COLUMNS : width;
        if (!module->rank && !module->gain && !module->offset) continue;
        for (; column + EXPAND_VECTORS * LANES <= end; column += EXPAND_VECTORS * LANES)
            for (int64_t token = piece->start; token < piece->end; token++)
                expand_columns(EXPAND_VECTORS, module, hidden_of(adapters, token, member),
                               y + token * total + starts[member] + column, column, width);
        for (; column + LANES <= end; column += LANES)
            for (int64_t token = piece->start; token < piece->end; token++)
                expand_columns(1, module, hidden_of(adapters, token, member),
                               y + token * total + starts[member] + column, column, width);
        for (; column < end; column++)
            for (int64_t token = piece->start; token < piece->end; token++)
                expand_column(module, hidden_of(adapters, token, member), y + token * total + starts[member] + column,
                              column, width);
    }
}
