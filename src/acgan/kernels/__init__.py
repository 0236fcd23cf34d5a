"""Fast paths for CPUs: the same results as the plain layers, computed faster."""
