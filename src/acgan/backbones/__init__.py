"""Architectures of classifiers, which pretrained discriminators build on too."""
