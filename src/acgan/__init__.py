"""acgan: class-conditional image generation with GANs, trained in minutes and trustworthy."""

__version__ = "0.1.0"
