/* One recurrent layer in C: a scan over all time steps for a chunk of the batch.
 *
 * Samples are independent in the recurrence, so each thread processes the rows of its chunk through
 * all time steps without synchronisation.  The backward pass splits time into blocks; after each
 * block all threads accumulate the weight gradients.  Compiled twice, for float and double.
 */

#ifndef REAL

#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "matmul.h"
#include "threads.h"

enum { ELMAN, INDEPENDENT, FAST, LSTM, GRU };
enum { TANH, RELU, SOFT, SIGMOID };
enum { GROUP = 8 }; /* time steps whose products with x are computed together */

/* x, dx: (frames, batch, features).  codes and, for LSTM, cells: (frames + 1, batch, width), first
 * h0 and c0.  stored: gates (frames, batch, gates width): i f g o of LSTM, r z n and W_n h + b_n of
 * GRU, φ of FAST; null if not stored.  W: w for INDEPENDENT.  bias_h: second bias of LSTM and GRU.
 * Backward pass, if grads is given: dh0 and dc0 initially contain the gradients of the last states;
 * dU, dW may be null; dbias (gates width); dab (2, width): terms of da and db for each unit for
 * FAST; for INDEPENDENT the first row is dw. */
struct cell_job {
    long frames, batch, width, features, rows, block, cell, phi;
    double a, b;
    const void *x, *U, *W, *bias, *bias_h, *grads;
    void *codes, *cells, *stored, *dh0, *dc0, *dx, *dU, *dW, *dbias, *dab, *workspace;
    /* Internal fields, in the workspace. */
    void *packed_U, *packed_W, *packed_Wn, *offset, *gates, *dgates, *packed_x, *packed_h;
    double *sums; /* the sums of dbias, then those of dab for each chunk */
    long first, end, next; /* the time steps of a block; dgates begins at first */
    fenv_t environment;
};

static long gates_of(const struct cell_job *s) { return s->cell >= LSTM ? 4 : 1; }
static long input_gates_of(const struct cell_job *s) { return s->cell == GRU ? 3 : gates_of(s); }
static long shared_gates_of(const struct cell_job *s) { return s->cell == GRU ? 2 : gates_of(s); }
static long chunks_of(const struct cell_job *s) { return (s->batch + s->rows - 1) / s->rows; }

/* exp(y) = s + s p for |y| <= 87: s is a power of two, p = exp(r) - 1 by its series to r^7. */
static inline void exp_parts_float(float y, float *s, float *p)
{
    const float shift = 12582912.0f; /* 1.5 2^23: adding it rounds to an integer */
    float k = y * 1.44269504f + shift, r;
    int32_t bits;
    memcpy(&bits, &k, 4);
    bits = (int32_t)(((uint32_t)bits << 23) + 0x3f800000u);
    memcpy(s, &bits, 4);
    k -= shift;
    r = (y - k * 0.693145752f) - k * 1.42860677e-6f;
    float q = 1.98412698e-4f;
    q = q * r + 1.38888889e-3f;
    q = q * r + 8.33333333e-3f;
    q = q * r + 4.16666667e-2f;
    q = q * r + 1.66666667e-1f;
    q = q * r + 0.5f;
    *p = q * (r * r) + r;
}

static inline float sigmoid_float(float x)
{
    float s, p, y = -x;
    y = y > 87 ? 87 : y < -87 ? -87 : y; /* NaN is preserved */
    exp_parts_float(y, &s, &p);
    return 1 / (s < 8388608 ? (1 + s) + s * p : s + (1 + s * p));
}

/* With e = exp(-2 |x|): (1 - e) / (1 + e), or 1 - 2 e / (1 + e) where it is more accurate. */
static inline float tanh_float(float x)
{
    float s, p, y = -2 * fabsf(x);
    y = y < -40 ? -40 : y;
    exp_parts_float(y, &s, &p);
    float t = (1 - s) - s * p, e = s + s * p;
    float start = t < 0.75f ? 0 : 1, sign = t < 0.75f ? 1 : -2, over = t < 0.75f ? t : e;
    return copysignf(start + sign * (over / ((1 + s) + s * p)), x);
}

static inline double sigmoid_double(double x) { return 1 / (1 + exp(-x)); }
static inline double tanh_double(double x) { return tanh(x); }

#define THIS "cell_scan.c"
#include "precisions.h"

#else

/* From matmul.c */
long NAME(packed)(long, long);
void NAME(pack)(struct packing *, parallel_launcher, long);
void NAME(multiply_transposed)(struct transposed_products *, parallel_launcher, long);
void NAME(multiply)(long, struct factors, struct factors, long, REAL *, long, int);

/* v = φ(v).  NaN must propagate: a comparison that is false for NaN must not select a number. */
void NAME(activate)(long phi, long count, REAL *v)
{
    if (phi == TANH)
        for (long j = 0; j < count; j++)
            v[j] = NAME(tanh)(v[j]);
    else if (phi == RELU)
        for (long j = 0; j < count; j++)
            v[j] = v[j] < 0 ? 0 : v[j];
    else if (phi == SOFT)
        for (long j = 0; j < count; j++)
            v[j] -= v[j] > (REAL)0.5 ? (REAL)0.5 : v[j] < (REAL)-0.5 ? (REAL)-0.5 : v[j];
    else
        for (long j = 0; j < count; j++)
            v[j] = NAME(sigmoid)(v[j]);
}

/* d = φ' d, computed from the value v of φ. */
static void NAME(slope)(long phi, long count, const REAL *v, REAL *restrict d)
{
    if (phi == TANH)
        for (long j = 0; j < count; j++)
            d[j] *= 1 - v[j] * v[j];
    else if (phi == RELU)
        for (long j = 0; j < count; j++)
            d[j] = v[j] <= 0 ? 0 : d[j];
    else
        for (long j = 0; j < count; j++)
            d[j] = v[j] == 0 ? 0 : d[j];
}

static void NAME(plain_forward)(const struct cell_job *s, REAL *restrict g,
                                const REAL *restrict before, REAL *restrict h)
{
    long count = s->width;
    const REAL *bias = s->offset, *w = s->W;
    REAL a = (REAL)s->a, b = (REAL)s->b;
    if (s->cell == INDEPENDENT)
        for (long j = 0; j < count; j++)
            g[j] += bias[j] + w[j] * before[j];
    else
        for (long j = 0; j < count; j++)
            g[j] += bias[j];
    NAME(activate)(s->phi, count, g);
    if (s->cell == FAST)
        for (long j = 0; j < count; j++)
            h[j] = a * g[j] + b * before[j];
    else
        memcpy(h, g, count * sizeof(REAL));
}

static void NAME(plain_backward)(const struct cell_job *s, const REAL *restrict g,
                                 const REAL *restrict before, const REAL *restrict grad,
                                 REAL *restrict carry, REAL *restrict d, double *restrict sums)
{
    long count = s->width;
    const REAL *w = s->W;
    REAL a = (REAL)s->a, b = (REAL)s->b;
    for (long j = 0; j < count; j++)
        d[j] = grad[j] + carry[j];
    if (s->cell == FAST)
        for (long j = 0; j < count; j++) {
            sums[j] += d[j] * g[j];
            sums[count + j] += d[j] * before[j];
            carry[j] = b * d[j];
            d[j] *= a;
        }
    NAME(slope)(s->phi, count, g, d);
    if (s->cell == INDEPENDENT)
        for (long j = 0; j < count; j++) {
            sums[j] += d[j] * before[j];
            carry[j] = w[j] * d[j];
        }
}

static void NAME(lstm_forward)(long count, const REAL *bias, REAL *restrict i,
                               const REAL *restrict c_before, REAL *restrict c, REAL *restrict h)
{
    REAL *restrict f = i + count, *restrict g = f + count, *restrict o = g + count;
    const REAL *bi = bias, *bf = bi + count, *bg = bf + count, *bo = bg + count;
    for (long j = 0; j < count; j++) {
        REAL ij = NAME(sigmoid)(i[j] + bi[j]), fj = NAME(sigmoid)(f[j] + bf[j]);
        REAL gj = NAME(tanh)(g[j] + bg[j]), oj = NAME(sigmoid)(o[j] + bo[j]);
        REAL cj = fj * c_before[j] + ij * gj;
        i[j] = ij, f[j] = fj, g[j] = gj, o[j] = oj, c[j] = cj;
        h[j] = oj * NAME(tanh)(cj);
    }
}

static void NAME(lstm_backward)(long count, const REAL *restrict i, const REAL *restrict c_before,
                                const REAL *restrict c, const REAL *restrict grad,
                                const REAL *restrict carry, REAL *restrict carry_cell,
                                REAL *restrict di)
{
    const REAL *f = i + count, *g = f + count, *o = g + count;
    REAL *restrict df = di + count, *restrict dg = df + count, *restrict dout = dg + count;
    for (long j = 0; j < count; j++) {
        REAL dh = grad[j] + carry[j], tc = NAME(tanh)(c[j]);
        REAL dc = carry_cell[j] + dh * o[j] * (1 - tc * tc);
        dout[j] = dh * tc * o[j] * (1 - o[j]);
        di[j] = dc * g[j] * i[j] * (1 - i[j]);
        df[j] = dc * c_before[j] * f[j] * (1 - f[j]);
        dg[j] = dc * i[j] * (1 - g[j] * g[j]);
        carry_cell[j] = dc * f[j];
    }
}

static void NAME(gru_forward)(long count, const REAL *bias, REAL *restrict r,
                              const REAL *restrict before, REAL *restrict h)
{
    REAL *restrict z = r + count, *restrict n = z + count, *restrict m = n + count;
    const REAL *br = bias, *bz = br + count, *bn = bz + count, *bm = bn + count;
    for (long j = 0; j < count; j++) {
        REAL rj = NAME(sigmoid)(r[j] + br[j]), zj = NAME(sigmoid)(z[j] + bz[j]);
        REAL mj = m[j] + bm[j], nj = NAME(tanh)(n[j] + bn[j] + rj * mj);
        r[j] = rj, z[j] = zj, n[j] = nj, m[j] = mj;
        h[j] = nj + zj * (before[j] - nj);
    }
}

static void NAME(gru_backward)(long count, const REAL *restrict r, const REAL *restrict before,
                               const REAL *restrict grad, REAL *restrict carry, REAL *restrict dr)
{
    const REAL *z = r + count, *n = z + count, *m = n + count;
    REAL *restrict dz = dr + count, *restrict dn = dz + count, *restrict dm = dn + count;
    for (long j = 0; j < count; j++) {
        REAL dh = grad[j] + carry[j];
        REAL dnj = dh * (1 - z[j]) * (1 - n[j] * n[j]);
        dr[j] = dnj * m[j] * r[j] * (1 - r[j]);
        dz[j] = dh * (before[j] - n[j]) * z[j] * (1 - z[j]);
        dn[j] = dnj, dm[j] = dnj * r[j];
        carry[j] = dh * z[j];
    }
}

/* out_t = p_t B for the rows of a chunk at some time steps, with B = packed_U: each panel of B is
 * read from memory once for all steps. */
static void NAME(multiply_steps)(const struct cell_job *s, long steps, long rows, const REAL *p,
                                 long step, long inner, long columns, REAL *out, long width)
{
    struct factors none = {0};
    long panel = NAME(packed)(1, 1);
    for (long c = 0; c < columns; c += panel)
        for (long t = 0; t < steps; t++) {
            struct factors first = {p + t * s->batch * step, (REAL *)s->packed_U + c * inner, step,
                                    inner};
            NAME(multiply)(rows, first, none, columns - c < panel ? columns - c : panel,
                           out + t * s->batch * width + c, width, 0);
        }
}

static void NAME(forward_scan)(struct cell_job *s, long chunk, long rows)
{
    long h = s->width, gates_width = gates_of(s) * h, input_width = input_gates_of(s) * h;
    long first = chunk * s->rows, features = s->features;
    struct factors none = {0}, before = {0, s->packed_W, h, h}, state = {0, s->packed_Wn, h, h};
    for (long t = 0; t < s->frames; t++) {
        long at = t * s->batch + first, steps = s->frames - t < GROUP ? s->frames - t : GROUP;
        REAL *g = s->stored ? (REAL *)s->stored + at * gates_width
                            : (REAL *)s->gates + (t % GROUP * s->batch + first) * gates_width;
        const REAL *last = (const REAL *)s->codes + at * h;
        REAL *after = (REAL *)s->codes + (at + s->batch) * h, *c = s->cells;
        before.p = state.p = last;
        if (t % GROUP == 0)
            NAME(multiply_steps)(s, steps, rows, (const REAL *)s->x + at * features, features,
                                 features, input_width, g, gates_width);
        if (s->cell != INDEPENDENT)
            NAME(multiply)(rows, before, none, shared_gates_of(s) * h, g, gates_width, 1);
        if (s->cell == GRU)
            NAME(multiply)(rows, state, none, h, g + input_width, gates_width, 0);
        for (long i = 0; i < rows; i++)
            if (s->cell == GRU)
                NAME(gru_forward)(h, s->offset, g + i * gates_width, last + i * h, after + i * h);
            else if (s->cell == LSTM)
                NAME(lstm_forward)(h, s->offset, g + i * gates_width, c + (at + i) * h,
                                   c + (at + s->batch + i) * h, after + i * h);
            else
                NAME(plain_forward)(s, g + i * gates_width, last + i * h, after + i * h);
    }
}

static void NAME(backward_scan)(struct cell_job *s, long chunk, long rows)
{
    long h = s->width, gates_width = gates_of(s) * h, input_width = input_gates_of(s) * h,
         shared_width = shared_gates_of(s) * h;
    long first = chunk * s->rows, features = s->features;
    REAL *carry = (REAL *)s->dh0 + first * h, *carry_cell = s->dc0;
    REAL *dgates = (REAL *)s->dgates + first * gates_width;
    struct factors none = {0}, gates = {0, s->packed_W, gates_width, shared_width},
                   state = {0, s->packed_Wn, gates_width, h};
    for (long t = s->end - 1; t >= s->first; t--) {
        long at = t * s->batch + first;
        const REAL *before = (const REAL *)s->codes + at * h;
        const REAL *g =
            s->stored ? (const REAL *)s->stored + at * gates_width : before + s->batch * h;
        const REAL *grad = (const REAL *)s->grads + at * h, *c = s->cells;
        REAL *d = dgates + (t - s->first) * s->batch * gates_width;
        for (long i = 0; i < rows; i++)
            if (s->cell == GRU)
                NAME(gru_backward)(h, g + i * gates_width, before + i * h, grad + i * h,
                                   carry + i * h, d + i * gates_width);
            else if (s->cell == LSTM)
                NAME(lstm_backward)(h, g + i * gates_width, c + (at + i) * h,
                                    c + (at + s->batch + i) * h, grad + i * h, carry + i * h,
                                    carry_cell + (first + i) * h, d + i * gates_width);
            else
                NAME(plain_backward)(s, g + i * gates_width, before + i * h, grad + i * h,
                                     carry + i * h, d + i * gates_width,
                                     s->sums + gates_width + 2 * h * chunk);
        gates.p = d, state.p = d + input_width;
        if (s->cell != INDEPENDENT)
            NAME(multiply)(rows, gates, s->cell == GRU ? state : none, h, carry, h,
                           s->cell == GRU || s->cell == FAST);
    }
    if (s->dx)
        NAME(multiply_steps)(s, s->end - s->first, rows, dgates, gates_width, input_width, features,
                             (REAL *)s->dx + (s->first * s->batch + first) * features, features);
}

/* Use the denormal mode of the caller: another mode would be slow or give other results. */
static void NAME(scan_chunks)(void *job)
{
    struct cell_job *s = job;
    fenv_t previous;
    fegetenv(&previous);
    fesetenv(&s->environment);
    for (long chunk; (chunk = next_index(&s->next)) * s->rows < s->batch;) {
        long rest = s->batch - chunk * s->rows, rows = rest < s->rows ? rest : s->rows;
        if (s->grads)
            NAME(backward_scan)(s, chunk, rows);
        else
            NAME(forward_scan)(s, chunk, rows);
    }
    fesetenv(&previous);
}

/* Return a part of the workspace, or null before the workspace is allocated. */
static void *NAME(allocate)(REAL *workspace, long *used, long elements)
{
    long at = *used;
    *used += (elements + 15) / 16 * 16; /* align to cache lines */
    return workspace ? workspace + at : 0;
}

/* Assign the parts of the workspace and return its size in elements. */
long NAME(cell_scan_workspace)(struct cell_job *s)
{
    long h = s->width, gates_width = gates_of(s) * h, input_width = input_gates_of(s) * h,
         shared_width = shared_gates_of(s) * h;
    long used = 0, all = s->block * s->batch, matrix = s->cell != INDEPENDENT, n = s->features;
    long doubles = sizeof(double) / sizeof(REAL), chunks = chunks_of(s);
    REAL *workspace = s->workspace;
    int back = s->grads != 0;
    s->packed_U = NAME(allocate)(
        workspace, &used, back ? NAME(packed)(input_width, n) : NAME(packed)(n, input_width));
    s->packed_W = NAME(allocate)(
        workspace, &used,
        matrix * (back ? NAME(packed)(shared_width, h) : NAME(packed)(h, shared_width)));
    s->packed_Wn = NAME(allocate)(workspace, &used, (s->cell == GRU) * NAME(packed)(h, h));
    s->offset = NAME(allocate)(workspace, &used, gates_width);
    s->gates = NAME(allocate)(workspace, &used,
                              back || s->stored ? 0 : GROUP * s->batch * gates_width);
    s->dgates = NAME(allocate)(workspace, &used, back * all * gates_width);
    s->packed_x = NAME(allocate)(workspace, &used, back * NAME(packed)(all, n));
    s->packed_h = NAME(allocate)(workspace, &used, back * NAME(packed)(all, h));
    s->sums = NAME(allocate)(workspace, &used, back * doubles * (gates_width + 2 * h * chunks));
    return used;
}

/* Pack a matrix (rows, columns) for products with its transpose or, backward, with itself. */
static void NAME(pack_matrix)(long rows, long columns, const REAL *from, void *to, int back,
                           parallel_launcher launcher, long threads)
{
    struct packing transposed = {columns, rows, 1, columns, from, to, 0};
    struct packing plain = {rows, columns, columns, 1, from, to, 0};
    NAME(pack)(back ? &plain : &transposed, launcher, threads);
}

/* Multiply columns of dgates, from column from on, with x and the previous states of a block. */
static void NAME(multiply_gates_transposed)(struct cell_job *s, long from, long count, REAL *dU,
                                            REAL *dW, parallel_launcher launcher, long threads)
{
    long h = s->width, gates_width = gates_of(s) * h;
    struct transposed_products job = {
        (s->end - s->first) * s->batch, count, gates_width, (REAL *)s->dgates + from,
        {{s->features, s->packed_x, dU}, {h, s->packed_h, dW}},
        s->sums + from, s->end < s->frames, 0,
    };
    NAME(multiply_transposed)(&job, launcher, threads);
}

/* Accumulate the gradients of U, W and the biases from one block of dgates. */
static void NAME(add_weight_gradients)(struct cell_job *s, parallel_launcher launcher, long threads)
{
    long h = s->width, input_width = input_gates_of(s) * h, shared_width = shared_gates_of(s) * h;
    long at = s->first * s->batch, count = s->end * s->batch - at, features = s->features;
    const REAL *x = (const REAL *)s->x + at * features, *codes = (const REAL *)s->codes + at * h;
    REAL *dU = s->dU, *dW = s->cell == INDEPENDENT ? 0 : s->dW;
    if (dU)
        NAME(pack_matrix)(count, features, x, s->packed_x, 1, launcher, threads);
    if (dW)
        NAME(pack_matrix)(count, h, codes, s->packed_h, 1, launcher, threads);
    NAME(multiply_gates_transposed)(s, 0, shared_width, dU, dW, launcher, threads);
    if (s->cell == GRU) {
        NAME(multiply_gates_transposed)(s, shared_width, h, dU ? dU + shared_width * features : 0,
                                        0, launcher, threads);
        NAME(multiply_gates_transposed)(s, input_width, h, 0, dW ? dW + shared_width * h : 0,
                                        launcher, threads);
    }
}

static void NAME(run_scans)(struct cell_job *s, parallel_launcher launcher, long threads)
{
    s->next = 0;
    run_parallel(launcher, NAME(scan_chunks), s, threads);
}

static void NAME(run_forward)(struct cell_job *s, parallel_launcher launcher, long threads)
{
    long h = s->width, gates_width = gates_of(s) * h, input_width = input_gates_of(s) * h,
         shared_width = shared_gates_of(s) * h;
    const REAL *bias = s->bias, *bias_h = s->bias_h;
    REAL *offset = s->offset;
    for (long j = 0; j < gates_width; j++) /* GRU has separate b_n for input and state */
        offset[j] = j >= input_width ? bias_h[j - h]
                                     : bias[j] + (bias_h && j < shared_width ? bias_h[j] : 0);
    NAME(run_scans)(s, launcher, threads);
}

static void NAME(run_backward)(struct cell_job *s, parallel_launcher launcher, long threads)
{
    long h = s->width, gates_width = gates_of(s) * h;
    REAL *dbias = s->dbias, *dab = s->dab;
    double *ab = s->sums + gates_width;
    memset(s->sums, 0, (gates_width + 2 * h * chunks_of(s)) * sizeof(double));
    for (s->end = s->frames; s->end > 0; s->end = s->first) {
        s->first = s->end < s->block ? 0 : s->end - s->block;
        NAME(run_scans)(s, launcher, threads);
        NAME(add_weight_gradients)(s, launcher, threads);
    }
    for (long j = 0; j < gates_width; j++)
        dbias[j] = (REAL)s->sums[j];
    for (long j = 0; dab && j < 2 * h; j++) {
        double sum = 0;
        for (long chunk = 0; chunk < chunks_of(s); chunk++)
            sum += ab[2 * h * chunk + j];
        dab[j] = (REAL)sum;
    }
}

/* Forward pass: compute codes, cells and gates.  Backward pass: compute all gradients. */
void NAME(cell_scan)(struct cell_job *s, parallel_launcher launcher, long threads)
{
    long h = s->width, input_width = input_gates_of(s) * h, shared_width = shared_gates_of(s) * h,
         features = s->features;
    const REAL *U = s->U, *W = s->W;
    int back = s->grads != 0;
    NAME(cell_scan_workspace)(s);
    NAME(pack_matrix)(input_width, features, U, s->packed_U, back, launcher, threads);
    if (s->cell != INDEPENDENT)
        NAME(pack_matrix)(shared_width, h, W, s->packed_W, back, launcher, threads);
    if (s->cell == GRU)
        NAME(pack_matrix)(h, h, W + shared_width * h, s->packed_Wn, back, launcher, threads);
    fegetenv(&s->environment);
    if (back)
        NAME(run_backward)(s, launcher, threads);
    else
        NAME(run_forward)(s, launcher, threads);
}

#endif
