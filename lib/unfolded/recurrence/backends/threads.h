/* Distribution of work over threads. */

/* Start threads, each of which calls work(job): OpenMP's GOMP_parallel, or null. */
typedef void (*parallel_launcher)(void (*work)(void *), void *job, unsigned threads,
                                  unsigned flags);

static void run_parallel(parallel_launcher launcher, void (*work)(void *), void *job, long threads)
{
    if (launcher && threads > 1)
        launcher(work, job, (unsigned)threads, 0);
    else
        work(job);
}

static long next_index(long *next) { return __atomic_fetch_add(next, 1, __ATOMIC_RELAXED); }
