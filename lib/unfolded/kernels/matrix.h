/* What threads share of the work in matrix.c; each job begins with next at 0. */

/* A matrix (inner, columns) with these steps between its numbers. */
struct packing {
    long inner, columns, inner_step, column_step;
    const void *from;
    void *to;
    long next;
};

/* p (rows, inner) with so many numbers from row to row, B (rows, columns) packed; out may be null. */
struct correlation {
    long rows, inner, columns, step;
    const void *p, *B;
    void *out;
    double *sums;
    long next;
};
