"""Durable writes: a kill or a full disk loses nothing that was saved before."""
