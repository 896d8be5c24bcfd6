"""The error of this room."""


class ContractError(ValueError):
    """An environment or a grant document that breaks the agreement; the text is a sentence."""
