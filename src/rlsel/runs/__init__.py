"""Run folders: how settings are laid out in them, where they lie, what state they are in, and all writing."""
