"""Labeled images from any source, in train, validation and test splits fixed before training."""
