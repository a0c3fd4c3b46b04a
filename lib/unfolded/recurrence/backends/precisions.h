/* Include the file THIS once for float and once for double; NAME(f) is f_float, then f_double. */

#define JOIN_(name, suffix) name##_##suffix
#define JOIN(name, suffix) JOIN_(name, suffix)
#define NAME(name) JOIN(name, SUFFIX)

#define REAL float
#define SUFFIX float
#include THIS
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX double
#include THIS
