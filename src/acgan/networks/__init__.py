"""Generators and discriminators: one architecture a file, built from data's sizes by `build`."""
