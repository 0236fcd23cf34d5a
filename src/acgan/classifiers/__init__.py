"""Feature extractors, and the one loop that fits a classifier."""
