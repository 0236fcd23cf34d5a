"""Architectures of classifiers; `acgan.classifiers` fits or loads their weights.

The reference classifier and pretrained discriminators build on them.
"""
