"""The one error of this package."""


class StraitError(Exception):
    """A file, a run or an argument that cannot be used: one line that names it and the remedy."""
