/* All decoder layers of one step in one call, for Llama, Mistral, Qwen2 and Qwen3.
 *
 * One team of threads runs through the layers together. Every function below distributes its rows, panels or heads among
 * the threads, and ends with a barrier if the next function needs all of its results.
 */
#include "attention.h"
#include "element.h"
#include "linear.h"
#include "lora.h"
#include "rows.h"

typedef struct {
    const float *before_attention, *before_mlp; /* norm weights [hidden] */
    Linear qkv, out, gate_up, down;
    Group qkv_group, out_group, gate_up_group, down_group;
    Attention attention;
} Layer;

typedef struct {
    const Layer *layers;
    int64_t count, hidden, intermediate;
    float norm_eps;
} Decoder;

/* Rows of every intermediate result, [tokens, …] each. */
typedef struct {
    element *hidden, *normed, *qkv, *attended, *projected, *gate_up, *activated;
} Buffers;

/* hidden += added (unless NULL), then normed = weight * hidden / sqrt(mean(hidden²) + eps). Ends with a barrier. */
static void add_and_norm(int64_t tokens, int64_t width, element *hidden, const element *added, const float *weight,
                         float eps, element *normed) {
#pragma omp for schedule(static)
    for (int64_t t = 0; t < tokens; t++) {
        element *row = hidden + t * width;
        if (added) add_row(row, added + t * width, width);
        scale_row(row, 1.0f / sqrtf(squares_of(row, width) / (float)width + eps), weight, width, normed + t * width);
    }
}

/* y = x Wᵀ + bias with the step's adapters. Ends with a barrier. */
static void project(const Linear *w, const Group *group, const Adapters *adapters, const element *x, int64_t tokens,
                    element *y) {
    linear(w, x, tokens, y, 0);
    if (adapters->count) shrink(adapters, group, x, w->d_in);
#pragma omp barrier
    if (adapters->count) expand(adapters, group, y);
}

/* activated = silu(gate) up. Ends with a barrier. */
static void activate(int64_t tokens, int64_t width, const element *gate_up, element *activated) {
#pragma omp for schedule(static)
    for (int64_t t = 0; t < tokens; t++)
        gate_row(gate_up + 2 * t * width, gate_up + (2 * t + 1) * width, width, activated + t * width);
}

/* buffers.hidden: the embedded tokens on entry, the output of the last layer on return. */
void decode_layers(const Decoder *decoder, const Tokens *tokens, const Adapters *adapters, const Buffers *buffers,
                   int threads) {
    const int64_t count = tokens->count;
#pragma omp parallel num_threads(threads)
    for (int64_t i = 0; i < decoder->count; i++) {
        const Layer *layer = decoder->layers + i;
        add_and_norm(count, decoder->hidden, buffers->hidden, i ? buffers->projected : NULL, layer->before_attention,
                     decoder->norm_eps, buffers->normed);
        project(&layer->qkv, &layer->qkv_group, adapters, buffers->normed, count, buffers->qkv);
        rotate_and_store(&layer->attention, tokens, buffers->qkv);
        attend(&layer->attention, tokens, buffers->qkv, buffers->attended);
        project(&layer->out, &layer->out_group, adapters, buffers->attended, count, buffers->projected);
        add_and_norm(count, decoder->hidden, buffers->hidden, buffers->projected, layer->before_mlp, decoder->norm_eps,
                     buffers->normed);
        project(&layer->gate_up, &layer->gate_up_group, adapters, buffers->normed, count, buffers->gate_up);
        activate(count, decoder->intermediate, buffers->gate_up, buffers->activated);
        project(&layer->down, &layer->down_group, adapters, buffers->activated, count, buffers->projected);
    }
#pragma omp parallel for num_threads(threads)
    for (int64_t t = 0; t < count; t++)
        add_row(buffers->hidden + t * decoder->hidden, buffers->projected + t * decoder->hidden, decoder->hidden);
}

/* y = x Wᵀ + bias.   y: [tokens, d_out] floats if as_float, else elements. */
void apply_linear(const Linear *w, const element *x, int64_t tokens, void *y, int as_float, int threads) {
#pragma omp parallel num_threads(threads)
    linear(w, x, tokens, y, as_float);
}

/* Applies the step's adapters to y in place.   x: [tokens, d_in].   y: [tokens, all widths]. */
void apply_adapters(const Adapters *adapters, const Group *group, const element *x, int64_t d_in, element *y, int threads) {
#pragma omp parallel num_threads(threads)
    {
        shrink(adapters, group, x, d_in);
#pragma omp barrier
        expand(adapters, group, y);
    }
}

/* Packs rows [d_out, d_in] into panels (linear.h). */
void pack_matrix(const element *rows, int64_t d_out, int64_t d_in, uint32_t *packed, int threads) {
#pragma omp parallel num_threads(threads)
    pack(rows, d_out, d_in, packed);
}

/* out: [count, d_in], the given rows of a packed matrix. */
void unpack_rows(const uint32_t *packed, const int64_t *rows, int64_t count, int64_t d_in, element *out) {
    for (int64_t i = 0; i < count; i++) unpack_row(packed, rows[i], d_in, out + i * d_in);
}
