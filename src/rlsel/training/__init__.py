"""The one supervised training loop, and what may watch it."""
