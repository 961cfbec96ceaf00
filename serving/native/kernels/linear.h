/* y = x Wᵀ + bias, with W packed so that one load feeds 16 outputs.
 *
 * A packed matrix is cut into panels of 16 rows of W:   panel p, word k, lane i  =  word k of row 16 p + i,
 * so [ceil(d_out / 16)][d_in / PER_WORD][16] words; the last panel is padded with zeros. A tile of a few rows of x and a
 * few panels stays in registers for the whole sum over k. A task is a group of panels, so every weight is read from memory
 * once per step.
 */
#pragma once

#include "element.h"

typedef struct {
    const uint32_t *packed;
    const float *bias; /* [d_out], or NULL */
    int64_t d_in, d_out;
} Linear;

enum { TILE_ROWS = 8, TILE_PANELS = 3, NARROW_PANELS = 6 };

/* Sums of `rows` rows of x with `panels` panels. sums: [rows][panels]. */
INLINE void tile_sums(int rows, int panels, floats sums[TILE_ROWS][NARROW_PANELS], const uint32_t *x, int64_t x_words,
                      const uint32_t *packed, int64_t count) {
    for (int r = 0; r < rows; r++)
        for (int p = 0; p < panels; p++) sums[r][p] = (floats){0};
    for (int64_t k = 0; k < count; k++) {
        words weights[NARROW_PANELS];
#pragma GCC unroll 8
        for (int p = 0; p < panels; p++) weights[p] = load_words(packed + (p * count + k) * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            words input = (words){0} + x[r * x_words + k];
#pragma GCC unroll 8
            for (int p = 0; p < panels; p++) sums[r][p] = add_products(sums[r][p], weights[p], input);
        }
    }
}

INLINE void store_outputs(void *y, int64_t at, floats value, int64_t count, int as_float) {
    if (count >= LANES) {
        if (as_float)
            store_floats((float *)y + at, value);
        else
            store_elements((element *)y + at, value);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (as_float)
            ((float *)y)[at + i] = value[i];
        else
            ((element *)y)[at + i] = to_element(value[i]);
    }
}

INLINE void tile(int rows, int panels, const Linear *w, const element *x, void *y, int64_t row, int64_t panel,
                 int as_float) {
    const int64_t count = w->d_in / PER_WORD;
    floats sums[TILE_ROWS][NARROW_PANELS];
    tile_sums(rows, panels, sums, (const uint32_t *)(x + row * w->d_in), count, w->packed + panel * count * LANES, count);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int p = 0; p < panels; p++) {
            int64_t column = (panel + p) * LANES, left = w->d_out - column;
            floats value = sums[r][p];
            if (w->bias)
                for (int64_t i = 0; i < LANES && i < left; i++) value[i] += w->bias[column + i];
            store_outputs(y, (row + r) * w->d_out + column, value, left, as_float);
        }
    }
}

/* The tiles that are compiled: 8, 4, 2 or 1 rows by 3, 2 or 1 panels, and 1 or 2 rows by 6 panels, where the time is spent
 * on reading the weights. */
#define TILES(rows, as_float)                                                                        \
    case rows:                                                                                       \
        switch (panels) {                                                                            \
            case 6: tile(rows <= 2 ? rows : 1, 6, w, x, y, row, panel, as_float); break;             \
            case 3: tile(rows, 3, w, x, y, row, panel, as_float); break;                             \
            case 2: tile(rows, 2, w, x, y, row, panel, as_float); break;                             \
            default: tile(rows, 1, w, x, y, row, panel, as_float);                                   \
        }                                                                                            \
        break;

#define DEFINE_TILES(name, as_float)                                                                           \
    static void name(int rows, int panels, const Linear *w, const element *x, void *y, int64_t row, int64_t panel) { \
        switch (rows) { TILES(8, as_float) TILES(4, as_float) TILES(2, as_float) TILES(1, as_float) }          \
    }

DEFINE_TILES(tile_to_elements, 0)
DEFINE_TILES(tile_to_floats, 1)

/* y: [tokens, d_out], elements or floats.   x: [tokens, d_in].   Distributed over the team's threads, without a barrier. */
static void linear(const Linear *w, const element *x, int64_t tokens, void *y, int as_float) {
    const int64_t panels = (w->d_out + LANES - 1) / LANES;
    const int64_t width = tokens <= 2 ? NARROW_PANELS : TILE_PANELS;
#pragma omp for schedule(dynamic) nowait
    for (int64_t first = 0; first < panels; first += width) {
        const int64_t end = first + width < panels ? first + width : panels;
        for (int64_t row = 0, rows; row < tokens; row += rows) {
            const int64_t left = tokens - row;
            rows = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            for (int64_t panel = first, taken; panel < end; panel += taken) {
                taken = end - panel == NARROW_PANELS ? NARROW_PANELS : end - panel < 3 ? end - panel : 3;
                (as_float ? tile_to_floats : tile_to_elements)((int)rows, (int)taken, w, x, y, row, panel);
            }
        }
    }
}

/* Packs rows into panels.   rows: [d_out, d_in] elements.   packed: panels as above. */
static void pack(const element *rows, int64_t d_out, int64_t d_in, uint32_t *packed) {
    const int64_t count = d_in / PER_WORD, panels = (d_out + LANES - 1) / LANES;
#pragma omp for
    for (int64_t panel = 0; panel < panels; panel++)
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0; i < LANES; i++) {
                int64_t row = panel * LANES + i;
                uint32_t word = 0;
                if (row < d_out) memcpy(&word, rows + row * d_in + k * PER_WORD, sizeof word);
                packed[(panel * count + k) * LANES + i] = word;
            }
}

/* Reads row `row` of W from its panel. */
INLINE void unpack_row(const uint32_t *packed, int64_t row, int64_t d_in, element *out) {
    const int64_t count = d_in / PER_WORD;
    const uint32_t *from = packed + (row / LANES) * count * LANES + row % LANES;
    for (int64_t k = 0; k < count; k++) memcpy(out + k * PER_WORD, from + k * LANES, sizeof *from);
}
