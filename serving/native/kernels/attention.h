/* Rotates and stores keys, then computes softmax(scale · q Kᵀ) V over a sequence's pages.
 *
 * A page of a layer's cache holds 16 tokens. First come the keys, one panel per head (linear.h): word k of all 16 tokens is
 * contiguous, so one load of a panel feeds 16 scores. Then come the values, token by token over all heads. A token attends
 * to positions first .. position of its own sequence only: what another sequence left in a page, even a NaN, never counts.
 */
#pragma once

#include "element.h"
#include "rows.h"

enum { PAGE_TOKENS = 16 };

typedef struct {
    int64_t heads, kv_heads, key_dim, value_dim;
    int64_t window; /* tokens attended to, own included; 0: all */
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
INLINE void rotate_head(element *head, const float *cos, const float *sin, int64_t dim) {
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

/* The start of a page, where its panels of keys are. */
INLINE element *page_of(const Attention *a, int64_t page) { return a->cache + page * PAGE_TOKENS * row_width(a); }

INLINE element *values_of(const Attention *a, element *page, int64_t offset) {
    return page + a->kv_heads * (a->key_dim * PAGE_TOKENS + offset * a->value_dim);
}

/* Stores a token's keys in its lane of the panels, and its values.   row: keys, then values, over all heads. */
INLINE void store_row(const Attention *a, const element *row, int64_t at) {
    element *page = page_of(a, at / PAGE_TOKENS);
    const int64_t offset = at % PAGE_TOKENS, keys = a->kv_heads * a->key_dim;
    for (int64_t k = 0; k < keys / PER_WORD; k++)
        memcpy(page + (k * PAGE_TOKENS + offset) * PER_WORD, row + k * PER_WORD, sizeof(uint32_t));
    memcpy(values_of(a, page, offset), row + keys, (size_t)(a->kv_heads * a->value_dim) * sizeof(element));
}

/* Rotates queries and keys in qkv [tokens, query_width + row_width], stores keys and values. Ends with a barrier. */
static void rotate_and_store(const Attention *a, const Tokens *tokens, element *qkv) {
    const int64_t dim = a->key_dim, queries = query_width(a), row = row_width(a);
#pragma omp for schedule(static)
    for (int64_t t = 0; t < tokens->count; t++) {
        element *own = qkv + t * (queries + row);
        const int64_t at = tokens->positions[t] * dim;
        for (int64_t head = 0; head < a->heads + a->kv_heads; head++) {
            const float *norm = head < a->heads ? a->query_norm : a->key_norm;
            if (norm) normalise_head(own + head * dim, norm, dim, a->norm_eps);
            rotate_head(own + head * dim, tokens->cos + at, tokens->sin + at, dim);
        }
        store_row(a, own + queries, tokens->stored_at[t]);
    }
}

enum {
    BLOCK = 4 * PAGE_TOKENS, /* positions scored before their values are added */
    QUERIES = 4,             /* queries that share a load of keys or values */
    VECTORS = 4,             /* vectors of a value summed at once */
    FEW_TOKENS = 8
};

/* scores[q][0 .. 16) = scale · q K of one page, for a few queries at once. */
INLINE void score_page(int queries, const Attention *a, const element *panel, const element *query, int64_t at,
                       float (*scores)[BLOCK]) {
    const int64_t count = a->key_dim / PER_WORD;
    const uint32_t *keys = (const uint32_t *)panel, *asked = (const uint32_t *)query;
    floats sums[QUERIES], others[QUERIES];
    for (int q = 0; q < queries; q++) sums[q] = others[q] = (floats){0};
    int64_t k = 0;
    for (; k + 2 <= count; k += 2) {
        const words first = load_words(keys + k * LANES), second = load_words(keys + (k + 1) * LANES);
#pragma GCC unroll 4
        for (int q = 0; q < queries; q++) {
            sums[q] = add_products(sums[q], first, (words){0} + asked[q * count + k]);
            others[q] = add_products(others[q], second, (words){0} + asked[q * count + k + 1]);
        }
    }
    for (int q = 0; q < queries; q++) {
        if (k < count) sums[q] = add_products(sums[q], load_words(keys + k * LANES), (words){0} + asked[q * count + k]);
        store_floats(scores[q] + at, (sums[q] + others[q]) * a->scale);
    }
}

/* sums[q][0 .. 16 vectors) = kept[q] * sums[q] + Σ scores[q][i] values[i], for i in [from, to). */
INLINE void add_values(int queries, int vectors, float *sums, int64_t stride, const float *kept,
                       const float (*scores)[BLOCK], const element *const *values, int64_t from, int64_t to) {
    floats sum[QUERIES][VECTORS];
    for (int q = 0; q < queries; q++)
        for (int v = 0; v < vectors; v++) sum[q][v] = load_floats(sums + q * stride + v * LANES) * kept[q];
    for (int64_t i = from; i < to; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            const floats value = load_elements(values[i] + v * LANES);
#pragma GCC unroll 4
            for (int q = 0; q < queries; q++) sum[q][v] += value * scores[q][i];
        }
    }
    for (int q = 0; q < queries; q++)
        for (int v = 0; v < vectors; v++) store_floats(sums + q * stride + v * LANES, sum[q][v]);
}

/* scores[i] = e^(scores[i] - largest); returns their sum. */
INLINE float soften(float *scores, float largest) {
    floats total = {0};
    for (int64_t i = 0; i < BLOCK; i += LANES) {
        const floats weight = exponential(load_floats(scores + i) - largest);
        store_floats(scores + i, weight);
        total += weight;
    }
    return sum_of(total);
}

typedef struct {
    float total, largest; /* of the weights so far, and of their exponents */
} Softmax;

/* One step of an online softmax (Milakov and Gimelshein, arXiv 1805.02867): a few queries of one key head over positions
 * [from, to) of one block.   pages: of the block.   values: of its positions.   sums: [queries, value_dim]. */
INLINE void attend_block(int queries, const Attention *a, const element *query, element *const *pages, int64_t head,
                         const element *const *values, int64_t from, int64_t to, Softmax *softmax, float *sums) {
    float scores[QUERIES][BLOCK], kept[QUERIES];
    for (int64_t page = 0; page * PAGE_TOKENS < to; page++)
        score_page(queries, a, pages[page] + head * a->key_dim * PAGE_TOKENS, query, page * PAGE_TOKENS, scores);
    for (int q = 0; q < queries; q++) {
        float top = softmax[q].largest;
        for (int64_t i = 0; i < BLOCK; i++) {
            if (i < from || i >= to) scores[q][i] = -INFINITY;
            top = scores[q][i] > top ? scores[q][i] : top;
        }
        kept[q] = softmax[q].largest == -INFINITY ? 0.0f : expf(softmax[q].largest - top);
        softmax[q].total = softmax[q].total * kept[q] + soften(scores[q], top);
        softmax[q].largest = top;
    }
    const int64_t width = a->value_dim;
    const float(*weights)[BLOCK] = (const float(*)[BLOCK])scores;
    const element *own[BLOCK];
    for (int64_t i = from; i < to; i++) own[i] = values[i] + head * width;
    int64_t j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES) {
        add_values(queries, VECTORS, sums + j, width, kept, weights, own, from, to);
        for (int64_t i = from; i < to; i++) own[i] += VECTORS * LANES;
    }
    for (; j + LANES <= width; j += LANES) {
        add_values(queries, 1, sums + j, width, kept, weights, own, from, to);
        for (int64_t i = from; i < to; i++) own[i] += LANES;
    }
    for (int q = 0; q < queries; q++)
        for (int64_t rest = j; rest < width; rest++) {
            float sum = sums[q * width + rest] * kept[q];
            for (int64_t i = from; i < to; i++) sum += scores[q][i] * to_float(own[i][rest - j]);
            sums[q * width + rest] = sum;
        }
}

/* The queries of key heads [head, end) of one token, over positions first .. last. All heads finish a block before the next
 * block, because a page holds all heads.   query, out: of all heads.   sums: [heads, value_dim]. */
static void attend_token(const Attention *a, const int32_t *pages, const element *query, int64_t head, int64_t end,
                         int64_t first, int64_t last, float *sums, element *out) {
    const int64_t per_key = a->heads / a->kv_heads, width = a->value_dim;
    Softmax softmax[a->heads];
    for (int64_t q = head * per_key; q < end * per_key; q++) softmax[q] = (Softmax){0.0f, -INFINITY};
    memset(sums + head * per_key * width, 0, (size_t)((end - head) * per_key * width) * sizeof *sums);
    for (int64_t start = first / PAGE_TOKENS * PAGE_TOKENS; start <= last; start += BLOCK) {
        const int64_t from = first > start ? first - start : 0, to = last + 1 - start < BLOCK ? last + 1 - start : BLOCK;
        element *own[BLOCK / PAGE_TOKENS];
        const element *values[BLOCK];
        for (int64_t i = 0; i < to; i++) {
            if (i % PAGE_TOKENS == 0) {
                own[i / PAGE_TOKENS] = page_of(a, pages[(start + i) / PAGE_TOKENS]);
                fetch(own[i / PAGE_TOKENS], PAGE_TOKENS * row_width(a));
            }
            values[i] = values_of(a, own[i / PAGE_TOKENS], i % PAGE_TOKENS);
        }
        for (int64_t key = head; key < end; key++)
            for (int64_t q = key * per_key, taken; q < (key + 1) * per_key; q += taken) {
                const int64_t left = (key + 1) * per_key - q;
                const element *own_query = query + q * a->key_dim;
                taken = left >= 4 ? 4 : left;
                switch (taken) {
                    case 4: attend_block(4, a, own_query, own, key, values, from, to, softmax + q, sums + q * width); break;
                    case 3: attend_block(3, a, own_query, own, key, values, from, to, softmax + q, sums + q * width); break;
                    case 2: attend_block(2, a, own_query, own, key, values, from, to, softmax + q, sums + q * width); break;
                    default: attend_block(1, a, own_query, own, key, values, from, to, softmax + q, sums + q * width);
                }
            }
    }
    for (int64_t q = head * per_key; q < end * per_key; q++)
        divide_row(sums + q * width, softmax[q].total, width, out + q * width);
}

/* out: [tokens, heads * value_dim]. A task is a token, or one key head of a token if tokens are few. Ends with a barrier. */
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
