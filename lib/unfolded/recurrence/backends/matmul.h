/* What the products of matmul.c are given; each job that threads share begins with next at 0. */

/* p (rows, inner) with so many numbers from row to row, and B (inner, columns) packed. */
struct factors {
    const void *p, *B;
    long step, inner;
};

/* A matrix (inner, columns) with these steps between its numbers. */
struct packing {
    long inner, columns, inner_step, column_step;
    const void *from;
    void *to;
    long next;
};

/* p (rows, inner) with so many numbers from row to row, each B (rows, columns) packed, or null. */
struct correlation {
    long rows, inner, step;
    const void *p;
    struct {
        long columns;
        const void *B;
        void *out;
    } with[2];
    double *sums;
    int add; /* to what is in out already */
    long next;
};
