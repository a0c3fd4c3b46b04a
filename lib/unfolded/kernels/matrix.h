/* What threads share of the work in matrix.c; each job begins with next at 0. */

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
