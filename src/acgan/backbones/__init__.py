"""Networks that learn to classify, as mere definitions: what fits or loads their weights lies above.

Classifiers (`acgan.classifiers`) and discriminators (`acgan.networks.pretrained`) both build on them.
"""
