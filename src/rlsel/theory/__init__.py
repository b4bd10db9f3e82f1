"""What the paper states of covered samples, measured on a trained model: pure functions of tensors."""
