"""Runs on disk: configuration, run folder, checkpoints, environment, listing."""
