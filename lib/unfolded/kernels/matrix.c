/* Matrices as the loops of sweep.c read them: laid down, transposed, multiplied.
 *
 * Compiled twice, for float and double, with products and sums contracted (-ffp-contract=fast).
 */

#ifndef REAL

#include <string.h>

#include "team.h"

/* A tile of the result stays in registers: ROWS rows of VECTORS vectors, of 32 or 16 registers. */
#if defined(__AVX512F__)
enum { BYTES = 64, ROWS = 8, VECTORS = 2 };
#elif defined(__AVX__)
enum { BYTES = 32, ROWS = 6, VECTORS = 2 };
#elif defined(__aarch64__)
enum { BYTES = 16, ROWS = 8, VECTORS = 2 };
#else
enum { BYTES = 16, ROWS = 6, VECTORS = 2 };
#endif

struct packing {
    long inner, columns, inner_step, column_step;
    const void *from;
    void *to;
    long next;
};

struct transposition {
    long rows, columns;
    const void *from;
    void *to;
    long next;
};

#define THIS "matrix.c"
#include "twice.h"

#else

typedef REAL NAME(vector) __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
enum { NAME(LANES) = BYTES / sizeof(REAL), NAME(PANEL) = VECTORS * NAME(LANES) };
enum { NAME(LINE) = 64 / sizeof(REAL) }; /* of cache */

/* How many numbers a matrix (inner, columns) takes when it is packed. */
long NAME(packed)(long inner, long columns)
{
    return (columns + NAME(PANEL) - 1) / NAME(PANEL) * NAME(PANEL) * inner;
}

static void NAME(pack_panels)(void *job)
{
    struct packing *p = job;
    const REAL *from = p->from;
    REAL *to = p->to;
    for (long c; (c = take(&p->next) * NAME(PANEL)) < p->columns;) {
        const REAL *first = from + c * p->column_step;
        REAL *panel = to + c * p->inner;
        long columns = p->columns - c < NAME(PANEL) ? p->columns - c : NAME(PANEL);
        if (columns < NAME(PANEL))
            memset(panel, 0, NAME(PANEL) * p->inner * sizeof(REAL));
        if (p->column_step == 1)
            for (long k = 0; k < p->inner; k++)
                memcpy(panel + k * NAME(PANEL), first + k * p->inner_step, columns * sizeof(REAL));
        else
            for (long k0 = 0; k0 < p->inner; k0 += NAME(LINE)) /* what shares a line of cache */
                for (long j = 0; j < columns; j++)
                    for (long k = k0; k < k0 + NAME(LINE) && k < p->inner; k++)
                        panel[k * NAME(PANEL) + j] = first[k * p->inner_step + j * p->column_step];
    }
}

/* Lay a matrix (inner, columns) down panel after panel, each with its columns side by side. */
void NAME(pack)(struct packing *packing, team start, long threads)
{
    packing->next = 0;
    begin(start, NAME(pack_panels), packing, threads);
}

/* By way of a block that lies together; inlined, for where the sizes are constant it is faster. */
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

static void NAME(transpose_lines)(void *job)
{
    enum { LINE = NAME(LINE) };
    struct transposition *t = job;
    long rows = t->rows, columns = t->columns;
    for (long i; (i = take(&t->next) * LINE) < rows;)
        for (long j = 0; j < columns; j += LINE) {
            const REAL *from = (const REAL *)t->from + i * columns + j;
            REAL *to = (REAL *)t->to + j * rows + i;
            if (rows - i >= LINE && columns - j >= LINE)
                NAME(transpose_block)(LINE, LINE, from, columns, to, rows);
            else
                NAME(transpose_block)(rows - i < LINE ? rows - i : LINE,
                                      columns - j < LINE ? columns - j : LINE,
                                      from, columns, to, rows);
        }
}

/* to (columns, rows) = the transpose of from (rows, columns). */
void NAME(transpose)(struct transposition *transposition, team start, long threads)
{
    transposition->next = 0;
    begin(start, NAME(transpose_lines), transposition, threads);
}

/* Columns of p B for one panel of B and at most ROWS rows of p; rows that lack repeat the last. */
static void NAME(tile)(long rows, const REAL *p, long inner, const REAL *panel, long columns,
                       REAL *out, long width)
{
    const REAL *row[ROWS];
    NAME(vector) sum[ROWS][VECTORS];
    for (int i = 0; i < ROWS; i++) {
        row[i] = p + (i < rows ? i : rows - 1) * inner;
        for (int v = 0; v < VECTORS; v++)
            sum[i][v] = (NAME(vector)){0};
    }
    for (long k = 0; k < inner; k++) {
        const NAME(vector) *b = (const NAME(vector) *)(panel + k * NAME(PANEL));
        for (int i = 0; i < ROWS; i++)
            for (int v = 0; v < VECTORS; v++)
                sum[i][v] += row[i][k] * b[v];
    }
    long bytes = (columns < NAME(PANEL) ? columns : NAME(PANEL)) * (long)sizeof(REAL);
    for (int i = 0; i < ROWS && i < rows; i++)
        if (columns < NAME(PANEL))
            memcpy(out + i * width, sum[i], bytes);
        else
            memcpy(out + i * width, sum[i], sizeof(sum[i]));
}

/* out = p B: p (rows, inner), B (inner, columns) packed. */
void NAME(product)(long rows, const REAL *p, long inner, const REAL *B, long columns,
                          REAL *out)
{
    for (long c = 0; c < columns; c += NAME(PANEL))
        for (long i = 0; i < rows; i += ROWS)
            NAME(tile)(rows - i, p + i * inner, inner, B + c * inner, columns - c,
                       out + i * columns + c, columns);
}

#endif
