"""Entities of HTML (WHATWG HTML §13.2.5.80): the text that they stand for. Pure."""

import re

_ZEROS = re.compile(r"&#0+(?=[0-9])")
_LARGE = re.compile(r"&#[0-9]{8,}")


def unescape(text: str) -> str:
    """As `html.unescape`, which fails for numbers of more than 4,300 digits: none of them is a character."""
    if "&" not in text:
        return text
    import html  # half a MiB for its table of entities, and few pages and answers need it

    if "&#" in text:
        text = _LARGE.sub("&#xFFFD", _ZEROS.sub("&#", text))
    return html.unescape(text)
