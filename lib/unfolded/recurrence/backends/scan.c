/* The forward and backward loops in C for a chunk of the batch; scan.py has the loops in Python.
 *
 * Samples are independent in the recurrence, so each thread processes the rows of its chunk through
 * all time steps and layers without synchronisation.  Compiled twice, for float and double, with
 * the element-wise operations of elementwise.c and the products of matmul.c.
 */

#ifndef REAL

#include <fenv.h>
#include <string.h>

#include "threads.h"

/* p B, or (p B) B₂ with a second factor, both packed; inner is the width of p B for two, else 0. */
struct matrix {
    const void *first, *second;
    long inner;
};

/* values: p_0 … p_d; the last has one more, earlier frame.  x: forward pass only; du, grads, dhbar,
 * carry, dx and threshold_gradients: backward pass only.  Shapes: (frames, batch, width), with
 * features instead of width for x and dx; carry (batch, width); threshold_gradients, of a and b:
 * (chunks, 2, depth, width). */
struct scan_job {
    long frames, batch, width, depth, features, rows, soft, residual; /* rows of a chunk */
    double rho;
    struct matrix transition;
    const struct matrix *layers, *inputs; /* inputs: U_l for each layer, or one U and then null */
    const void *a, *b, *x, *const *values, *const *du, *grads;
    void *dhbar, *carry, *dx, *scratch; /* dx may be null */
    double *threshold_gradients;
    long scratch_size, next;
    fenv_t environment;
};

#define THIS "scan.c"
#include "precisions.h"

#else

/* From elementwise.c */
void NAME(forward)(long, long, const REAL *, const REAL *, const REAL *, const REAL *, double,
                   const REAL *, const REAL *, const REAL *, REAL *);
void NAME(backward)(long, long, const REAL *, const REAL *, const REAL *, const REAL *, double,
                    const REAL *, const REAL *, REAL *, REAL *);
void NAME(threshold_gradients)(long, long, const REAL *, const REAL *, const REAL *, double *,
                               double *);

/* From matmul.c */
void NAME(product)(long, const REAL *, long, const REAL *, long, REAL *);

static void NAME(apply)(const struct matrix *B, long rows, long width, const REAL *p, REAL *product,
                        REAL *out)
{
    if (!B->inner) {
        NAME(product)(rows, p, width, B->first, width, out);
        return;
    }
    NAME(product)(rows, p, width, B->first, B->inner, product);
    NAME(product)(rows, product, B->inner, B->second, width, out);
}

static void NAME(forward_chunk)(struct scan_job *s, long chunk, long rows, REAL *scratch)
{
    long width = s->width, frame = s->batch * width, from = chunk * s->rows * width;
    long depth = s->depth, features = s->features;
    const REAL *a = s->a, *b = s->b;
    REAL *u = scratch, *input_term = u + rows * width, *product = input_term + rows * width;
    for (long t = 0; t < s->frames; t++) {
        long at = t * frame + from;
        const REAL *x = (const REAL *)s->x + at / width * features;
        REAL *hbar = (REAL *)s->values[0] + at;
        const REAL *before = (const REAL *)s->values[depth] + at - frame;
        NAME(apply)(&s->transition, rows, width, before, product, hbar);
        for (long l = 0; l < depth; l++) {
            const REAL *p = (const REAL *)s->values[l] + at;
            if (s->inputs[l].first)
                NAME(product)(rows, x, features, s->inputs[l].first, width, input_term);
            NAME(apply)(s->layers + l, rows, width, p, product, u);
            NAME(forward)(rows, width, u, input_term, s->residual ? p : 0, hbar, s->rho,
                          s->soft ? 0 : hbar, a + l * width, b + l * width,
                          (REAL *)s->values[l + 1] + at);
        }
    }
}

static void NAME(add)(long count, const REAL *from, REAL *restrict to)
{
    for (long i = 0; i < count; i++)
        to[i] += from[i];
}

/* dx += U_l^T du; if the layers share U, add U^T times the sum of du over all layers once. */
static void NAME(add_input_gradient)(struct scan_job *s, long l, long rows, long at, const REAL *du,
                                     REAL *du_sum, REAL *product)
{
    long count = rows * s->width;
    REAL *dx = (REAL *)s->dx + at / s->width * s->features;
    if (s->depth > 1 && !s->inputs[1].first) {
        NAME(add)(count, du, du_sum);
        du = du_sum;
    }
    if (!s->inputs[l].first)
        return;
    NAME(product)(rows, du, s->width, s->inputs[l].first, s->features, product);
    NAME(add)(rows * s->features, product, dx);
}

static void NAME(backward_chunk)(struct scan_job *s, long chunk, long rows, REAL *scratch)
{
    long width = s->width, frame = s->batch * width, from = chunk * s->rows * width;
    long depth = s->depth;
    double *da = s->threshold_gradients + chunk * 2 * depth * width, *db = da + depth * width;
    const REAL *a = s->a, *b = s->b;
    REAL *dnext = scratch, *du_sum = dnext + rows * width, *product = du_sum + rows * width;
    REAL *carry = (REAL *)s->carry + from;
    for (long t = s->frames - 1; t >= 0; t--) {
        long at = t * frame + from;
        const REAL *hbar = (const REAL *)s->values[0] + at;
        const REAL *dp = (const REAL *)s->grads + at, *extra = carry;
        REAL *dhbar = (REAL *)s->dhbar + at;
        memset(dhbar, 0, rows * width * sizeof(REAL));
        memset(du_sum, 0, rows * width * sizeof(REAL));
        for (long l = depth - 1; l >= 0; l--) {
            const REAL *value = (const REAL *)s->values[l + 1] + at, *centre = s->soft ? 0 : hbar;
            REAL *du = (REAL *)s->du[l] + at;
            NAME(backward)(rows, width, dp, extra, value, centre, s->rho, a + l * width,
                           b + l * width, du, dhbar);
            NAME(threshold_gradients)(rows, width, du, value, centre ? centre : value,
                                      da + l * width, db + l * width);
            if (s->dx)
                NAME(add_input_gradient)(s, l, rows, at, du, du_sum, product);
            NAME(apply)(s->layers + l, rows, width, du, product, dnext);
            dp = dnext, extra = s->residual ? du : 0;
        }
        NAME(add)(rows * width, dp, dhbar);
        if (extra)
            NAME(add)(rows * width, extra, dhbar);
        NAME(apply)(&s->transition, rows, width, dhbar, product, carry);
    }
}

/* Use the denormal mode of the caller: another mode would be slow or give other results. */
static void NAME(run_chunks)(struct scan_job *s,
                             void (*run)(struct scan_job *, long, long, REAL *))
{
    fenv_t own;
    fegetenv(&own);
    fesetenv(&s->environment);
    for (long chunk; (chunk = next_index(&s->next)) * s->rows < s->batch;) {
        long rest = s->batch - chunk * s->rows;
        run(s, chunk, rest < s->rows ? rest : s->rows,
            (REAL *)s->scratch + chunk * s->scratch_size);
    }
    fesetenv(&own);
}

static void NAME(forward_chunks)(void *s) { NAME(run_chunks)(s, NAME(forward_chunk)); }
static void NAME(backward_chunks)(void *s) { NAME(run_chunks)(s, NAME(backward_chunk)); }

/* Compute p_0 … p_d from x and the previous code. */
void NAME(scan_forward)(struct scan_job *s, parallel_launcher launcher, long threads)
{
    s->next = 0;
    fegetenv(&s->environment);
    run_parallel(launcher, NAME(forward_chunks), s, threads);
}

/* Compute du and dhbar; replace the last code's gradient in carry by that of the previous code.
 * Add to dx and, for each chunk separately, to threshold_gradients (2, depth, width). */
void NAME(scan_backward)(struct scan_job *s, parallel_launcher launcher, long threads)
{
    s->next = 0;
    fegetenv(&s->environment);
    run_parallel(launcher, NAME(backward_chunks), s, threads);
}

#endif
