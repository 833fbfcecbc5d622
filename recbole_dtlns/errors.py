"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """Bad input: the message says what was found, what was expected and what to do (exit status 2).

    It is no ValueError, so that code which expects a ValueError of RecBole or Python lets it pass.
    """
