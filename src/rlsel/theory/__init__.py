"""What the paper states of covered samples, measured on a trained model, and on trainings that are repeated for it."""
