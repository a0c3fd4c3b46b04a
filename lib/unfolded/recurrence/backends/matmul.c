/* Packed matrix products for scan.c, cell_scan.c and matmul.py.
 *
 * Compiled twice, for float and double, with fused multiply-add (-ffp-contract=fast).
 */

#ifndef REAL

#include <string.h>

#include "matmul.h"
#include "threads.h"

/* Registers hold a tile of the result: ROWS rows of VECTORS vectors, of 32 or 16 registers. */
#if defined(__AVX512F__)
#define INSTRUCTIONS "AVX-512"
enum { BYTES = 64, ROWS = 8, VECTORS = 2 };
#elif defined(__AVX__)
#ifdef __AVX2__
#define INSTRUCTIONS "AVX2"
#else
#define INSTRUCTIONS "AVX"
#endif
enum { BYTES = 32, ROWS = 6, VECTORS = 2 };
#elif defined(__aarch64__)
#define INSTRUCTIONS "NEON"
enum { BYTES = 16, ROWS = 8, VECTORS = 2 };
#else
#define INSTRUCTIONS "baseline"
enum { BYTES = 16, ROWS = 6, VECTORS = 2 };
#endif

/* Return the instruction set for which the library was compiled. */
const char *instructions(void) { return INSTRUCTIONS; }

/* p (rows, inner) with row stride step, B (inner, columns) packed, out (rows, columns). */
struct products {
    long rows, inner, columns, step;
    const void *p, *B;
    void *out;
    long block, next;
};

enum { TILES = 8 }; /* most tiles of rows in a block of a product */

enum { AHEAD = 16 }; /* steps of the inner dimension by which a panel is prefetched */

/* A transposed product processes STRIPS strips of p with LONGEST rows at once: a panel of B and one
 * strip then fit in the L1 cache, and all strips fit in the L2 cache. */
enum { LONGEST = 256, STRIPS = 12 };

#define THIS "matmul.c"
#include "precisions.h"

#else

typedef REAL NAME(vector) __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
enum { NAME(LANES) = BYTES / sizeof(REAL), NAME(PANEL) = VECTORS * NAME(LANES) };
enum { NAME(LINE) = 64 / sizeof(REAL) }; /* elements per cache line */
/* Elements per strip; the extra line lets the strips use different sets of the L1 cache. */
enum { NAME(STRIP) = ROWS * LONGEST + NAME(LINE) };

/* Return the packed size of a matrix (inner, columns) in elements. */
long NAME(packed)(long inner, long columns)
{
    return (columns + NAME(PANEL) - 1) / NAME(PANEL) * NAME(PANEL) * inner;
}

/* Transpose through a contiguous block; inlining makes constant block sizes faster. */
static inline void NAME(transpose_block)(long rows, long columns, const REAL *from, long from_step,
                                         REAL *to, long to_step)
{
    REAL block[NAME(LINE)][NAME(LINE)];
    for (long i = 0; i < rows; i++)
        memcpy(block[i], from + i * from_step, columns * sizeof(REAL));
    for (long j = 0; j < columns; j++)
        for (long i = 0; i < rows; i++)
            to[j * to_step + i] = block[i][j];
}

static void NAME(pack_panels)(void *job)
{
    enum { LINE = NAME(LINE) };
    struct packing *p = job;
    const REAL *from = p->from;
    REAL *to = p->to;
    for (long c; (c = next_index(&p->next) * NAME(PANEL)) < p->columns;) {
        const REAL *first = from + c * p->column_step;
        REAL *panel = to + c * p->inner;
        long columns = p->columns - c < NAME(PANEL) ? p->columns - c : NAME(PANEL);
        if (columns < NAME(PANEL))
            memset(panel, 0, NAME(PANEL) * p->inner * sizeof(REAL));
        if (p->column_step == 1)
            for (long k = 0; k < p->inner; k++)
                memcpy(panel + k * NAME(PANEL), first + k * p->inner_step, columns * sizeof(REAL));
        else
            for (long k = 0; k < p->inner; k += LINE)
                for (long j = 0; j < columns; j += LINE) {
                    const REAL *block = first + k * p->inner_step + j * p->column_step;
                    REAL *target = panel + k * NAME(PANEL) + j;
                    if (p->inner_step == 1 && p->inner - k >= LINE && columns - j >= LINE)
                        NAME(transpose_block)(LINE, LINE, block, p->column_step, target,
                                              NAME(PANEL));
                    else
                        for (long i = 0; i < LINE && i < columns - j; i++)
                            for (long l = 0; l < LINE && l < p->inner - k; l++)
                                target[l * NAME(PANEL) + i] =
                                    block[l * p->inner_step + i * p->column_step];
                }
    }
}

/* Pack a matrix (inner, columns) into panels; the columns of a panel are adjacent in memory. */
void NAME(pack)(struct packing *packing, parallel_launcher launcher, long threads)
{
    packing->next = 0;
    run_parallel(launcher, NAME(pack_panels), packing, threads);
}

/* sum += p B for one panel of B and at most ROWS rows of p; missing rows repeat the last row.
 * Inlined because a constant p_next is faster. */
static inline void NAME(add_tile)(NAME(vector) sum[ROWS][VECTORS], long rows, const REAL *p,
                                  long p_step, long p_next, long inner, const REAL *panel)
{
    const REAL *row[ROWS];
    for (int i = 0; i < ROWS; i++)
        row[i] = p + (i < rows ? i : rows - 1) * p_step;
    for (long k = 0; k < inner; k++) {
        const NAME(vector) *b = (const NAME(vector) *)(panel + k * NAME(PANEL));
        for (int line = 0; line < NAME(PANEL); line += NAME(LINE))
            __builtin_prefetch(panel + (k + AHEAD) * NAME(PANEL) + line);
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++)
                sum[i][v] += row[i][k * p_next] * b[v];
    }
}

/* Write at most one panel of columns of a tile to out, or add them to out. */
static inline void NAME(put_tile)(NAME(vector) sum[ROWS][VECTORS], long rows, long columns,
                                  REAL *out, long width, int add)
{
    long bytes = (columns < NAME(PANEL) ? columns : NAME(PANEL)) * (long)sizeof(REAL);
    for (int i = 0; i < ROWS && i < rows; i++) {
        if (add) {
            NAME(vector) before[VECTORS] = {{0}};
            memcpy(before, out + i * width, columns < NAME(PANEL) ? bytes : (long)sizeof(before));
            for (int v = 0; v < VECTORS; v++)
                sum[i][v] += before[v];
        }
        if (columns < NAME(PANEL))
            memcpy(out + i * width, sum[i], bytes);
        else
            memcpy(out + i * width, sum[i], sizeof(sum[i]));
    }
}

/* out = p B + q C, or out += p B + q C; out (rows, columns) with row stride width. */
void NAME(multiply)(long rows, struct factors first, struct factors second, long columns, REAL *out,
                    long width, int add)
{
    const REAL *p = first.p, *q = second.p, *B = first.B, *C = second.B;
    for (long c = 0; c < columns; c += NAME(PANEL))
        for (long i = 0; i < rows; i += ROWS) {
            NAME(vector) sum[ROWS][VECTORS] = {{{0}}};
            NAME(add_tile)(sum, rows - i, p + i * first.step, first.step, 1, first.inner,
                           B + c * first.inner);
            if (q)
                NAME(add_tile)(sum, rows - i, q + i * second.step, second.step, 1, second.inner,
                               C + c * second.inner);
            NAME(put_tile)(sum, rows - i, columns - c, out + i * width + c, width, add);
        }
}

/* out = p B: p (rows, inner), B (inner, columns) packed. */
void NAME(product)(long rows, const REAL *p, long inner, const REAL *B, long columns,
                          REAL *out)
{
    struct factors one = {p, B, inner, inner}, none = {0};
    NAME(multiply)(rows, one, none, columns, out, columns, 0);
}

static void NAME(multiply_row_blocks)(void *job)
{
    struct products *s = job;
    struct factors none = {0};
    for (long i; (i = next_index(&s->next) * s->block) < s->rows;) {
        struct factors first = {(const REAL *)s->p + i * s->step, s->B, s->step, s->inner};
        long rows = s->rows - i < s->block ? s->rows - i : s->block;
        REAL *out = (REAL *)s->out + i * s->columns;
        NAME(multiply)(rows, first, none, s->columns, out, s->columns, 0);
    }
}

/* out (rows, columns) = p B; each thread computes blocks of rows. */
void NAME(multiply_rows)(struct products *products, parallel_launcher launcher, long threads)
{
    long tiles = (products->rows + ROWS * threads - 1) / (ROWS * threads);
    products->block = ROWS * (tiles < TILES ? tiles : TILES);
    products->next = 0;
    run_parallel(launcher, NAME(multiply_row_blocks), products, threads);
}

/* Pack columns of p into strips of ROWS columns, and add each column to its sum. */
static void NAME(pack_strips)(long rows, long columns, const REAL *p, long step, REAL *strips,
                              double *sums)
{
    REAL sum[STRIPS * ROWS] = {0}; /* over few rows, so single precision suffices */
    for (long k = 0; k < rows; k++, p += step, strips += ROWS) {
        for (long i = 0; i < columns; i += NAME(LINE))
            __builtin_prefetch(p + 8 * step + i);
        for (long i = 0; i < columns; i++)
            sum[i] += p[i];
        for (long i = 0; i < columns; i += ROWS)
            if (columns - i >= ROWS)
                memcpy(strips + i / ROWS * NAME(STRIP), p + i, ROWS * sizeof(REAL));
            else
                memcpy(strips + i / ROWS * NAME(STRIP), p + i, (columns - i) * sizeof(REAL));
    }
    for (long i = 0; i < columns; i++)
        sums[i] += sum[i];
}

static void NAME(multiply_strips)(void *job)
{
    struct transposed_products *s = job;
    REAL strips[STRIPS * NAME(STRIP)] = {0};
    for (long i0; (i0 = next_index(&s->next) * STRIPS * ROWS) < s->inner;) {
        long columns = s->inner - i0 < STRIPS * ROWS ? s->inner - i0 : STRIPS * ROWS;
        for (long k = 0; k < s->rows; k += LONGEST) {
            long some = s->rows - k < LONGEST ? s->rows - k : LONGEST;
            NAME(pack_strips)(some, columns, (const REAL *)s->p + k * s->step + i0, s->step, strips,
                              s->sums + i0);
            for (int w = 0; w < 2; w++) {
                const REAL *B = (const REAL *)s->factors[w].B + k * NAME(PANEL);
                long width = s->factors[w].out ? s->factors[w].columns : 0;
                REAL *out = (REAL *)s->factors[w].out + i0 * width;
                for (long c = 0; c < width; c += NAME(PANEL))
                    for (long i = 0; i < columns; i += ROWS) {
                        NAME(vector) sum[ROWS][VECTORS] = {{{0}}};
                        for (long j = 0; j < ROWS && j < columns - i; j++)
                            for (long line = 0; line < NAME(PANEL); line += NAME(LINE))
                                __builtin_prefetch(out + (i + j) * width + c + line, 1);
                        NAME(add_tile)(sum, columns - i, strips + i / ROWS * NAME(STRIP), 1, ROWS,
                                       some, B + c * s->rows);
                        NAME(put_tile)(sum, columns - i, width - c, out + i * width + c, width,
                                       s->add || k > 0);
                    }
            }
        }
    }
}

/* Compute out (inner, columns) = p^T B for each B (weight gradients), and add the rows of p to sums
 * (bias gradients).  A product with out null is skipped. */
void NAME(multiply_transposed)(struct transposed_products *products, parallel_launcher launcher,
                               long threads)
{
    products->next = 0;
    run_parallel(launcher, NAME(multiply_strips), products, threads);
}

#endif
