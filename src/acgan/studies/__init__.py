"""Studies: what needs both training and evaluation."""
