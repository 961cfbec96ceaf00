/* Keys turned and stored, then softmax(scale · q Kᵀ) V over a sequence's pages.
 *
 * The cache of a layer is [pages][16 tokens][row], where a row is a token's keys over all heads, then its values. A step's
 * token attends to positions first .. position of its own sequence and to nothing else, so what others left in a page, even
 * a NaN, is never read.
 */
#pragma once

#include "element.h"
#include "rows.h"

enum { PAGE_TOKENS = 16 };

typedef struct {
    int64_t heads, kv_heads, key_dim, value_dim;
    int64_t window; /* tokens back, or 0 */
    float scale;
    const float *query_norm, *key_norm; /* [key_dim], or NULL */
    float norm_eps;
    element *cache;
} Attention;

typedef struct {
    int64_t count;
    const int64_t *positions;  /* [count] within their sequences */
    const int64_t *stored_at;  /* [count] page * PAGE_TOKENS + offset */
    const int32_t *const *pages; /* [count] page table of each token's sequence */
    const float *cos, *sin;    /* [position, key_dim]; the first half of sin is negated */
} Tokens;

INLINE int64_t query_width(const Attention *a) { return a->heads * a->key_dim; }
INLINE int64_t row_width(const Attention *a) { return a->kv_heads * (a->key_dim + a->value_dim); }

/* head = weight * head / sqrt(mean(head²) + eps) */
INLINE void normalise_head(element *head, const float *weight, int64_t dim, float eps) {
    const float factor = 1.0f / sqrtf(squares_of(head, dim) / (float)dim + eps);
    scale_row(head, factor, weight, dim, head);
}

/* x[i] cos[i] + x[(i + dim/2) % dim] sin[i] */
INLINE void turn_head(element *head, const float *cos, const float *sin, int64_t dim) {
    const int64_t half = dim / 2;
    element *low = head, *high = head + half;
    int64_t i = 0;
    for (; i + LANES <= half; i += LANES) {
        const floats a = load_elements(low + i), b = load_elements(high + i);
        store_elements(low + i, a * load_floats(cos + i) + b * load_floats(sin + i));
        store_elements(high + i, b * load_floats(cos + half + i) + a * load_floats(sin + half + i));
    }
    for (; i < half; i++) {
        const float a = to_float(low[i]), b = to_float(high[i]);
        low[i] = to_element(a * cos[i] + b * sin[i]);
        high[i] = to_element(b * cos[half + i] + a * sin[half + i]);
    }
}

/* Turns queries and keys in qkv [tokens, query_width + row_width] and stores keys and values. The team waits at the end. */
static void turn_and_store(const Attention *a, const Tokens *tokens, element *qkv) {
    const int64_t dim = a->key_dim, queries = query_width(a), row = row_width(a);
#pragma omp for schedule(static)
    for (int64_t t = 0; t < tokens->count; t++) {
        element *own = qkv + t * (queries + row);
        const int64_t at = tokens->positions[t] * dim;
        for (int64_t head = 0; head < a->heads + a->kv_heads; head++) {
            const float *norm = head < a->heads ? a->query_norm : a->key_norm;
            if (norm) normalise_head(own + head * dim, norm, dim, a->norm_eps);
            turn_head(own + head * dim, tokens->cos + at, tokens->sin + at, dim);
        }
        memcpy(a->cache + tokens->stored_at[t] * row, own + queries, (size_t)row * sizeof(element));
    }
}


enum {
    BLOCK = 64,      /* positions that are scored before their values are added */
    VECTORS = 4,     /* vectors of a value that are summed at once */
    FEW_TOKENS = 8,
    LINE = 64 / sizeof(element)
};

/* A row of the cache: where the token at `position` of the sequence has its keys. */
INLINE const element *stored_row(const Attention *a, const int32_t *pages, int64_t position) {
    const int64_t token = (int64_t)pages[position / PAGE_TOKENS] * PAGE_TOKENS + position % PAGE_TOKENS;
    return a->cache + token * row_width(a);
}

/* sums[0 .. 16 vectors) = kept * sums + Σ weights[i] values[i] */
INLINE void add_values(int vectors, float *sums, float kept, const float *weights, const element *const *values,
                       int64_t offset, int64_t count) {
    floats sum[VECTORS];
    for (int v = 0; v < vectors; v++) sum[v] = load_floats(sums + v * LANES) * kept;
    for (int64_t i = 0; i < count; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[v] += weights[i] * load_elements(values[i] + offset + v * LANES);
    for (int v = 0; v < vectors; v++) store_floats(sums + v * LANES, sum[v]);
}

static void add_all_values(int64_t width, float *sums, float kept, const float *weights, const element *const *values,
                           int64_t offset, int64_t count) {
    int64_t j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES)
        add_values(VECTORS, sums + j, kept, weights, values, offset + j, count);
    for (; j + LANES <= width; j += LANES) add_values(1, sums + j, kept, weights, values, offset + j, count);
    for (; j < width; j++) {
        float sum = sums[j] * kept;
        for (int64_t i = 0; i < count; i++) sum += weights[i] * to_float(values[i][offset + j]);
        sums[j] = sum;
    }
}

/* scores[i] = e^(scores[i] - largest); returns their sum. */
INLINE float soften(float *scores, int64_t count, float largest) {
    floats sums = {0};
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        const floats weight = exponential(load_floats(scores + i) - largest);
        store_floats(scores + i, weight);
        sums += weight;
    }
    float total = sum_of(sums);
    for (; i < count; i++) total += scores[i] = expf(scores[i] - largest);
    return total;
}

/* The queries of key heads [head, end) of one token, over positions first .. last: a running softmax over blocks of
 * positions (Milakov and Gimelshein, arXiv 1805.02867). All heads take their part of a block before the next one, as a
 * row of the cache holds them side by side.   query, out: of all heads.   sums: [heads, value_dim]. */
static void attend_token(const Attention *a, const int32_t *pages, const element *query, int64_t head, int64_t end,
                         int64_t first, int64_t last, float *sums, element *out) {
    const int64_t dim = a->key_dim, width = a->value_dim, per_key = a->heads / a->kv_heads;
    const element *rows[BLOCK];
    float scores[BLOCK], totals[a->heads], largest[a->heads];
    for (int64_t q = head * per_key; q < end * per_key; q++) totals[q] = 0.0f, largest[q] = -INFINITY;
    memset(sums + head * per_key * width, 0, (size_t)((end - head) * per_key * width) * sizeof *sums);
    for (int64_t start = first; start <= last; start += BLOCK) {
        const int64_t count = last + 1 - start < BLOCK ? last + 1 - start : BLOCK;
        for (int64_t i = 0; i < count; i++) {
            rows[i] = stored_row(a, pages, start + i);
            for (int64_t e = head * dim; e < end * dim; e += LINE) __builtin_prefetch(rows[i] + e);
        }
        for (int64_t q = head * per_key; q < end * per_key; q++) {
            const int64_t keys = q / per_key * dim, values = a->kv_heads * dim + q / per_key * width;
            float top = largest[q];
            for (int64_t i = 0; i < count; i++) {
                scores[i] = dot(query + q * dim, rows[i] + keys, dim) * a->scale;
                top = scores[i] > top ? scores[i] : top;
                if (q % per_key == 0) __builtin_prefetch(rows[i] + values);
            }
            const float kept = largest[q] == -INFINITY ? 0.0f : expf(largest[q] - top);
            totals[q] = totals[q] * kept + soften(scores, count, top);
            largest[q] = top;
            add_all_values(width, sums + q * width, kept, scores, rows, values, count);
        }
    }
    for (int64_t q = head * per_key; q < end * per_key; q++) divide_row(sums + q * width, totals[q], width, out + q * width);
}

/* out: [tokens, heads * value_dim]. Tasks are tokens, or heads of tokens where there are few. The team waits at the end. */
static void attend(const Attention *a, const Tokens *tokens, const element *qkv, element *out) {
    const int64_t stride = query_width(a) + row_width(a), parts = tokens->count < FEW_TOKENS ? a->kv_heads : 1;
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < tokens->count * parts; task++) {
        float sums[a->heads * a->value_dim];
        const int64_t t = task / parts, part = task % parts, last = tokens->positions[t];
        const int64_t first = a->window && last + 1 > a->window ? last + 1 - a->window : 0;
        attend_token(a, tokens->pages[t], qkv + t * stride, parts > 1 ? part : 0, parts > 1 ? part + 1 : a->kv_heads, first,
                     last, sums, out + t * a->heads * a->value_dim);
    }
}
