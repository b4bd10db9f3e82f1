"""Hydra configurations: one primary file a command, and the groups that they compose."""
