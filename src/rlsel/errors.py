"""The errors that a user can cause, and only those.

The command line prints such an error as one line and exits with 2; every other exception is a defect of this program.
"""


class RlselError(Exception):
    """A user's mistake: the message says what is wrong, what is allowed, what was given and what to do."""


class ConfigurationError(RlselError):
    """A setting is unknown or out of its range."""


class DataError(RlselError):
    """A data set is missing, unreadable or unfit for the method."""


class CoresetError(RlselError):
    """A coreset or run folder is missing, damaged, or belongs to another data set."""


class StorageError(RlselError):
    """A result cannot be written: no permission, no space, or a file in the way."""


class ProcessError(RlselError):
    """One of several processes that work together is gone."""
