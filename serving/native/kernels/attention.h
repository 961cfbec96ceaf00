/* Keys turned and stored, then softmax(scale · q Kᵀ) V over a sequence's pages.
 *
 * The cache of a layer is [pages][16 tokens][row], where a row is a token's keys over all heads, then its values. A step's
 * token attends to positions first .. position of its own sequence and to nothing else, so what others left in a page, even
 * a NaN, is never read.
 */
#pragma once

#include "element.h"

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

INLINE void normalise_head(element *head, const float *weight, int64_t dim, float eps) {
    float squares = 0.0f;
    for (int64_t i = 0; i < dim; i++) squares += to_float(head[i]) * to_float(head[i]);
    const float factor = 1.0f / sqrtf(squares / (float)dim + eps);
    for (int64_t i = 0; i < dim; i++) head[i] = to_element(to_float(head[i]) * factor * weight[i]);
}

/* x[i] cos[i] + x[(i + dim/2) % dim] sin[i] */
INLINE void turn_head(element *head, const float *cos, const float *sin, int64_t dim) {
    const int64_t half = dim / 2;
    for (int64_t i = 0; i < half; i++) {
        const float low = to_float(head[i]), high = to_float(head[i + half]);
        head[i] = to_element(low * cos[i] + high * sin[i]);
        head[i + half] = to_element(high * cos[i + half] + low * sin[i + half]);
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


enum { BLOCK = 256 }; /* positions that are scored before their values are added */

/* One key head's queries of one token over positions [first, last]: running softmax over blocks (Milakov, 1805.02867). */
INLINE void attend_head(const Attention *a, const int32_t *pages, const element *query, int64_t kv_head, int64_t first,
                        int64_t last, element *out) {
    const int64_t group = a->heads / a->kv_heads, row = row_width(a), dim = a->key_dim, width = a->value_dim;
    for (int64_t g = 0; g < group; g++) {
        float sums[width] __attribute__((aligned(64)));
        float scores[BLOCK] __attribute__((aligned(64)));
        float total = 0.0f, largest = -INFINITY;
        memset(sums, 0, sizeof sums);
        for (int64_t start = first; start <= last; start += BLOCK) {
            const int64_t count = last + 1 - start < BLOCK ? last + 1 - start : BLOCK;
            float top = largest;
            for (int64_t i = 0; i < count; i++) {
                const int64_t position = start + i;
                const element *stored =
                    a->cache + ((int64_t)pages[position / PAGE_TOKENS] * PAGE_TOKENS + position % PAGE_TOKENS) * row;
                scores[i] = dot(query + g * dim, stored + kv_head * dim, dim) * a->scale;
                top = scores[i] > top ? scores[i] : top;
            }
            if (top > largest) {
                const float shrunk = largest == -INFINITY ? 0.0f : expf(largest - top);
                total *= shrunk;
                for (int64_t i = 0; i < width; i++) sums[i] *= shrunk;
                largest = top;
            }
            for (int64_t i = 0; i < count; i++) scores[i] -= largest;
            int64_t i = 0;
            for (; i + LANES <= count; i += LANES) store_floats(scores + i, exponential(load_floats(scores + i)));
            for (; i < count; i++) scores[i] = expf(scores[i]);
            for (i = 0; i < count; i++) {
                const int64_t position = start + i;
                const element *value =
                    a->cache + ((int64_t)pages[position / PAGE_TOKENS] * PAGE_TOKENS + position % PAGE_TOKENS) * row +
                    a->kv_heads * dim + kv_head * width;
                const float weight = scores[i];
                total += weight;
                for (int64_t j = 0; j < width; j++) sums[j] += weight * to_float(value[j]);
            }
        }
        for (int64_t j = 0; j < width; j++) out[g * width + j] = to_element(sums[j] / total);
    }
}

/* out: [tokens, heads * value_dim]. The team waits at the end. */
static void attend(const Attention *a, const Tokens *tokens, const element *qkv, element *out) {
    const int64_t group = a->heads / a->kv_heads, stride = query_width(a) + row_width(a);
#pragma omp for schedule(dynamic)
    for (int64_t task = 0; task < tokens->count * a->kv_heads; task++) {
        const int64_t t = task / a->kv_heads, kv_head = task % a->kv_heads, last = tokens->positions[t];
        const int64_t first = a->window && last + 1 > a->window ? last + 1 - a->window : 0;
        attend_head(a, tokens->pages[t], qkv + t * stride + kv_head * group * a->key_dim, kv_head, first, last,
                    out + (t * a->heads + kv_head * group) * a->value_dim);
    }
}
