"""Measures of what a model draws; they need samples and real images, never the training code."""
