"""Training: one run from its data to a finished folder, exact to the bit when resumed."""
