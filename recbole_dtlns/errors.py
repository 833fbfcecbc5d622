"""The one exception for mistakes that a user can mend."""


class UserError(ValueError):
    """Bad input: the message says what was found, what was expected and what to do (exit status 2)."""
