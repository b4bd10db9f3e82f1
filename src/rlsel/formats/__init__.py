"""A coreset in the forms that other tools read."""
