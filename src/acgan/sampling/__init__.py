"""Sampling from a generator: latents, batched forward, interpolation."""
