"""Texts of INI files as pip and twine read them: sections of options, and back. Pure."""

import configparser
from collections.abc import Mapping

from webhook.errors import InvalidValue

Sections = dict[str, dict[str, str]]
"""Section → option → value"""


def parse(text: str) -> Sections:
    """By the parser that pip and twine use themselves, or `InvalidValue`."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise InvalidValue(f"{_place(error)}is no line of an INI file, or stands there twice") from None
    if parser.defaults():
        raise InvalidValue("has a section [DEFAULT]", "write its options into the sections")
    return {section: dict(parser.items(section)) for section in parser.sections()}


def write(sections: Mapping[str, Mapping[str, str]]) -> str:
    """The text, which means exactly this; or `InvalidValue`."""
    blocks = (
        "".join([f"[{section}]\n", *(_line(option, value) for option, value in options.items())])
        for section, options in sections.items()
    )
    text = "\n".join(blocks)
    if parse(text) != sections:
        raise InvalidValue("has a value that cannot be written as it is read", "write it in one line")
    return text


def _line(option: str, value: str) -> str:
    lines = value.replace("\n", "\n    ")
    return f"{option} = {lines}\n" if lines else f"{option} =\n"


def _place(error: configparser.Error) -> str:
    faults = getattr(error, "errors", None)
    line = faults[0][0] if faults else getattr(error, "lineno", None)
    return f"line {line} of the result: " if line else "the result: "
