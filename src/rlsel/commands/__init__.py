"""What each subcommand does: plain functions of plain objects."""
