/* Distribution of work over threads. */

/* Start a team of threads, each of which calls work(job): OpenMP's GOMP_parallel, or null. */
typedef void (*team)(void (*work)(void *), void *job, unsigned threads, unsigned flags);

static void begin(team start, void (*work)(void *), void *job, long threads)
{
    if (start && threads > 1)
        start(work, job, (unsigned)threads, 0);
    else
        work(job);
}

static long take(long *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }
