/* Operations on one row of elements. */
#pragma once

#include "element.h"

/* Σ row[i]² */
INLINE float squares_of(const element *row, int64_t width) {
    floats sums = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        const floats value = load_elements(row + i);
        sums += value * value;
    }
    float sum = sum_of(sums);
    for (; i < width; i++) sum += to_float(row[i]) * to_float(row[i]);
    return sum;
}

/* out[i] = row[i] * factor * weight[i] */
INLINE void scale_row(const element *row, float factor, const float *weight, int64_t width, element *out) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES)
        store_elements(out + i, load_elements(row + i) * factor * load_floats(weight + i));
    for (; i < width; i++) out[i] = to_element(to_float(row[i]) * factor * weight[i]);
}

/* row[i] += added[i] */
INLINE void add_row(element *row, const element *added, int64_t width) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) store_elements(row + i, load_elements(row + i) + load_elements(added + i));
    for (; i < width; i++) row[i] = to_element(to_float(row[i]) + to_float(added[i]));
}

/* out[i] = silu(gate[i]) up[i] */
INLINE void gate_row(const element *gate, const element *up, int64_t width, element *out) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        const floats value = load_elements(gate + i);
        store_elements(out + i, value / (1.0f + exponential(-value)) * load_elements(up + i));
    }
    for (; i < width; i++) {
        const float value = to_float(gate[i]);
        out[i] = to_element(value / (1.0f + expf(-value)) * to_float(up[i]));
    }
}

/* out[i] = row[i] / by */
INLINE void divide_row(const float *row, float by, int64_t width, element *out) {
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES) store_elements(out + i, load_floats(row + i) / by);
    for (; i < width; i++) out[i] = to_element(row[i] / by);
}
