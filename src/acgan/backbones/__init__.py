"""Networks that classify, as mere definitions: what fits or loads their weights lies above.

`acgan.classifiers` builds on them, and so does a discriminator with a trained trunk.
"""
