"""A trained model: its folder, card, checkpoint history and samples."""
