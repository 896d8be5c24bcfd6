"""The error of this room."""


class ContractError(ValueError):
    """An environment or a grant document that is not what this version agreed to; the text is a sentence."""
