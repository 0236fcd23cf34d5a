"""Labeled images from any source, in three parts that are cut before anything is trained."""
