"""Recipes: complete runs as TOML files, one file each."""
