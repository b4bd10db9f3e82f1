"""What a coreset is worth: trainings on it, their statistics, robustness."""
