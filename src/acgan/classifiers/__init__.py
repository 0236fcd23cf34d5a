"""Feature extractors and reference classifiers."""
