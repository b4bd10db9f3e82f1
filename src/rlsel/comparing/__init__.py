"""Comparisons of methods: what belongs to one, how its selections and trainings are done, what they came to."""
