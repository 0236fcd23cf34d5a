"""Fast paths for CPUs; each stays while `benchmarks/fast_paths.py` shows its gain."""
