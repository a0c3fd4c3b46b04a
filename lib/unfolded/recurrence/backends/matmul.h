/* Arguments of the routines in matmul.c; next is the counter shared by the threads, initially 0. */

/* p (rows, inner) with row stride step, and B (inner, columns) packed. */
struct factors {
    const void *p, *B;
    long step, inner;
};

/* A matrix (inner, columns) with its strides. */
struct packing {
    long inner, columns, inner_step, column_step;
    const void *from;
    void *to;
    long next;
};

/* p (rows, inner) with row stride step, and each B (rows, columns) packed; a product whose out is
 * null is skipped. */
struct transposed_products {
    long rows, inner, step;
    const void *p;
    struct {
        long columns;
        const void *B;
        void *out;
    } factors[2];
    double *sums;
    int add; /* whether to add to out */
    long next;
};
