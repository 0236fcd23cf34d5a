"""What is optimized: source losses, the ACGAN objective, regularizers."""
