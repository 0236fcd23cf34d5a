"""Random, differentiable transforms of the discriminator's input."""
