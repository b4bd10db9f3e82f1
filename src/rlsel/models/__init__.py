"""Target models: images to logits and penultimate features."""
