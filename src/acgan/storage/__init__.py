"""Durable writes: a kill or a full disk loses nothing that was saved before.

Below everything else: it knows files and folders, and nothing of tensors, configs or training.
"""
