"""What D is shown of an image, real or fake: random changes that gradients flow through."""
