"""Speed: timing, stored and live measurements, and their comparison with targets."""
