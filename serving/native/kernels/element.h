/* The model's number format, and vectors of 16 floats to compute with.
 *
 * An element is a bfloat16 (ELEMENT_BF16) or a float. Sums are always floats. Products are taken word by word: a word is
 * 32 bits of a row, so one float or two neighbouring bfloat16. The vector types are GCC's and Clang's, which lower them to
 * whatever the processor has.
 */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

enum { LANES = 16 };

typedef float floats __attribute__((vector_size(64)));
typedef int32_t ints __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

INLINE floats all(float value) { return (floats){0} + value; }

INLINE words load_words(const uint32_t *from) {
    words value;
    memcpy(&value, from, sizeof value);
    return value;
}

INLINE floats load_floats(const float *from) {
    floats value;
    memcpy(&value, from, sizeof value);
    return value;
}

INLINE void store_floats(float *to, floats value) { memcpy(to, &value, sizeof value); }

INLINE float sum_of(floats value) {
    typedef float eight __attribute__((vector_size(32)));
    typedef float four __attribute__((vector_size(16)));
    eight upper[2];
    four quarters[2];
    memcpy(upper, &value, sizeof value);
    const eight half = upper[0] + upper[1];
    memcpy(quarters, &half, sizeof half);
    const four quarter = quarters[0] + quarters[1];
    return (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
}

#ifdef ELEMENT_BF16

typedef uint16_t element;
enum { PER_WORD = 2 };

INLINE float to_float(element value) {
    uint32_t bits = (uint32_t)value << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Rounds to nearest, ties to even; a NaN stays a NaN. */
INLINE element to_element(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return number == number ? (element)rounded : 0x7fc0;
}

INLINE floats load_elements(const element *from) {
    halves value;
    memcpy(&value, from, sizeof value);
#ifdef __AVX512F__ /* the compilers' own conversion splits this into two halves */
    return (floats)((words)_mm512_cvtepu16_epi32((__m256i)value) << 16);
#else
    return (floats)(__builtin_convertvector(value, words) << 16);
#endif
}

INLINE void store_elements(element *to, floats value) {
#ifdef __AVX512BF16__
    __m256bh rounded = _mm512_cvtneps_pbh((__m512)value);
    memcpy(to, &rounded, sizeof rounded);
#else
    words bits = (words)value;
    words rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    words is_number = (words)(value == value);
    halves kept = __builtin_convertvector((rounded & is_number) | (0x7fc0 & ~is_number), halves);
    memcpy(to, &kept, sizeof kept);
#endif
}

/* sum[i] + a[i] b[i], over both halves of each word. */
INLINE floats add_products(floats sum, words a, words b) {
#ifdef __AVX512BF16__
    return (floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    const words upper = (words){0} + 0xffff0000u;
    sum += (floats)(a << 16) * (floats)(b << 16);
    return sum + (floats)(a & upper) * (floats)(b & upper);
#endif
}

#else

typedef float element;
enum { PER_WORD = 1 };

INLINE float to_float(element value) { return value; }
INLINE element to_element(float number) { return number; }
INLINE floats load_elements(const element *from) { return load_floats(from); }
INLINE void store_elements(element *to, floats value) { store_floats(to, value); }
INLINE floats add_products(floats sum, words a, words b) { return sum + (floats)a * (floats)b; }

#endif

/* The dot product of two rows of `count` elements. */
INLINE float dot(const element *a, const element *b, int64_t count) {
    const int64_t step = LANES * PER_WORD;
    floats first = {0}, second = {0};
    int64_t i = 0;
    for (; i + 2 * step <= count; i += 2 * step) {
        first = add_products(first, load_words((const uint32_t *)(a + i)), load_words((const uint32_t *)(b + i)));
        second = add_products(second, load_words((const uint32_t *)(a + i + step)),
                              load_words((const uint32_t *)(b + i + step)));
    }
    for (; i + step <= count; i += step)
        first = add_products(first, load_words((const uint32_t *)(a + i)), load_words((const uint32_t *)(b + i)));
    float sum = sum_of(first + second);
    for (; i < count; i++) sum += to_float(a[i]) * to_float(b[i]);
    return sum;
}

/* e^x, to a few units in the last place; 0 below -87. Cody and Waite's reduction, then a polynomial on [-ln2/2, ln2/2]. */
INLINE floats exponential(floats x) {
    const floats least = all(-87.0f), most = all(88.0f);
    words low = (words)(x < least), high = (words)(x > most);
    floats bounded = (floats)(((words)x & ~low & ~high) | ((words)least & low) | ((words)most & high));
    floats scaled = bounded * 1.44269504f;
    ints power = __builtin_convertvector(scaled + 12582912.0f, ints) - 12582912; /* to the nearest: 1.5 * 2^23 */
    floats whole = __builtin_convertvector(power, floats);
    floats rest = bounded - whole * 0.693359375f + whole * 2.12194440e-4f;
    floats sum = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * rest * rest + rest + 1.0f;
    floats result = (floats)((ints)sum + (power << 23));
    words nan = ~(words)(x == x);
    return (floats)(((words)result & ~low & ~nan) | ((words)x & nan));
}

/* Prefetches `count` elements: where little is computed per element, reading is bound by memory latency. */
INLINE void fetch(const element *from, int64_t count) {
    for (int64_t i = 0; i < count; i += 64 / (int64_t)sizeof(element)) __builtin_prefetch(from + i, 0, 2);
}
