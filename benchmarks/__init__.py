"""Measurements of the speed of the library for the page "How fast", with their records."""

import os

# Otherwise the profiler writes its start and stop to standard error.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")
