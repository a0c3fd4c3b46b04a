/* Element-wise operations of one layer; reference.py implements the same operations in PyTorch.
 *
 * Included twice, for float and double.  All arrays are row-major; a, b, da and db have one row.
 * residual, extra and centre may be null: then nothing is added, and Φ has the centre 0.  Only
 * threshold_gradients needs centre.
 * NaN must propagate to the loss: a comparison that is false for NaN must not select a number.
 */

#ifndef REAL

#define THIS "elementwise.c"
#include "precisions.h"

#else

static inline REAL NAME(phi)(REAL u, REAL c, REAL a, REAL b)
{
    REAL reach = a + b, lean = c > 0 ? a - b : c < 0 ? b - a : 0;
    REAL low = c < 0 ? c : 0, high = c > 0 ? c : 0, middle = u - lean;
    REAL above = u + reach, below = u - reach;
    middle = middle < low ? low : middle;
    middle = middle > high ? high : middle;
    middle = middle > above ? above : middle;
    return middle > below ? middle : below;
}

/* out = Φ(u + s + residual + rho ħ; centre, a, b) */
void NAME(forward)(long rows, long width, const REAL *u, const REAL *s, const REAL *residual,
                   const REAL *hbar, double rho, const REAL *centre, const REAL *a, const REAL *b,
                   REAL *restrict out)
{
    REAL k = (REAL)rho;
    for (long i = 0; i < rows; i++) {
        const REAL *ui = u + i * width, *si = s + i * width, *hi = hbar + i * width;
        const REAL *ri = residual ? residual + i * width : 0;
        const REAL *ci = centre ? centre + i * width : 0;
        REAL *oi = out + i * width;
        if (ri && ci)
            for (long j = 0; j < width; j++)
                oi[j] = NAME(phi)(ui[j] + si[j] + ri[j] + k * hi[j], ci[j], a[j], b[j]);
        else if (ri)
            for (long j = 0; j < width; j++)
                oi[j] = NAME(phi)(ui[j] + si[j] + ri[j] + k * hi[j], 0, a[j], b[j]);
        else if (ci)
            for (long j = 0; j < width; j++)
                oi[j] = NAME(phi)(ui[j] + si[j] + k * hi[j], ci[j], a[j], b[j]);
        else
            for (long j = 0; j < width; j++)
                oi[j] = NAME(phi)(ui[j] + si[j] + k * hi[j], 0, a[j], b[j]);
    }
}

/* With g = gradient + extra: du = ∂Φ/∂u g, and dhbar += ∂Φ/∂ħ g + rho du. */
void NAME(backward)(long rows, long width, const REAL *gradient, const REAL *extra,
                    const REAL *value, const REAL *centre, double rho, const REAL *a,
                    const REAL *b, REAL *restrict du, REAL *restrict dhbar)
{
    REAL k = (REAL)rho;
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < width; j++) {
            long ij = i * width + j;
            REAL g = gradient[ij] + (extra ? extra[ij] : 0), v = value[ij];
            REAL c = centre ? centre[ij] : 0;
            int line = ((v != 0) | (a[j] == 0)) & ((v != c) | (b[j] == 0));
            int follows = !line & (v == c) & ((c != 0) | (b[j] > a[j]));
            REAL on_line = line ? g : 0;
            du[ij] = on_line;
            dhbar[ij] += (follows ? g : 0) + k * on_line;
        }
}

/* da = Σ ∂Φ/∂a g and db = Σ ∂Φ/∂b g over the rows, where du = g on the pieces of slope one.
 * The sums are in double precision because there may be thousands of rows. */
void NAME(threshold_gradients)(long rows, long width, const REAL *du, const REAL *value,
                               const REAL *centre, double *restrict da, double *restrict db)
{
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < width; j++) {
            long ij = i * width + j;
            REAL d = du[ij], v = value[ij], c = centre[ij];
            da[j] -= v > 0 ? d : v < 0 ? -d : 0;
            db[j] -= v > c ? d : v < c ? -d : 0;
        }
}

#endif
