"""Parameters that a ConnectorClass gives to its Connectors: defaults and allowed values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webhook.connector.fields import as_mapping
from webhook.connector.parameters import KNOWN, OWN, parse_texts
from webhook.connector.reasons import ConnectorReason
from webhook.problems import Problems

_FIELD = "spec.params"


@dataclass(frozen=True, slots=True)
class ClassParameter:
    """What a class says about one parameter."""

    name: str
    default: str | None = None
    """For Connectors that leave it out"""
    values: tuple[str, ...] = ()
    """The only values that a Connector may give; empty: any that the product knows"""


def parse_class_parameters(
    value: object, problems: Problems, *, admits_extra_indexes: bool
) -> tuple[ClassParameter, ...]:
    """A class that admits further indexes has that default for its Connectors, unless it names another."""
    read: dict[str, ClassParameter] = {}
    for item in value if isinstance(value, list) else [] if value is None else [None]:
        parameter = _read(item, problems)
        if parameter and parameter.name in read:
            _add(problems, f"{_FIELD} has {parameter.name!r} twice", "keep one")
        elif parameter:
            read[parameter.name] = parameter
    if admits_extra_indexes and "extraIndexes" not in read:
        read["extraIndexes"] = ClassParameter("extraIndexes", "allow")
    return tuple(read.values())


def _read(item: object, problems: Problems) -> ClassParameter | None:
    fields = as_mapping(item)
    name, default, values = fields.get("name"), fields.get("default"), fields.get("values") or []
    are_texts = isinstance(values, list) and all(isinstance(text, str) for text in values)
    if not isinstance(name, str) or not isinstance(default, str | None) or not are_texts:
        _add(problems, f"{_FIELD} must be a list of objects with name, and default and values as texts")
        return None
    if name not in KNOWN and not OWN.fullmatch(name):
        sentence = f"{_FIELD} has no {name!r}; known are {', '.join(KNOWN)}"
        _add(problems, sentence, "call one of the class's own x-NAME")
        return None
    if default is not None and values and default not in values:
        _add(problems, f"{_FIELD} {name}: the default {default!r} is not among its values")
    for text in dict.fromkeys([*([] if default is None else [default]), *values]):
        faults = Problems()
        parse_texts({name: text}, faults)
        for fault in faults:
            _add(problems, fault.what, fault.fix)
    return ClassParameter(name, default, tuple(values))


def own_names(parameters: Sequence[ClassParameter]) -> list[str]:
    """Those that only the class's templates read."""
    return [one.name for one in parameters if one.name not in KNOWN]


def with_defaults(texts: Mapping[str, str], parameters: Sequence[ClassParameter]) -> dict[str, str]:
    """A Connector's own values, and the class's defaults for the others."""
    return {**{one.name: one.default for one in parameters if one.default is not None}, **texts}


def check_values(
    texts: Mapping[str, str], parameters: Sequence[ClassParameter], class_name: str, problems: Problems
) -> None:
    """A value that the class does not allow is a problem. So is none, where the class demands one of some."""
    for parameter in parameters:
        given = texts.get(parameter.name)
        if not parameter.values or given in parameter.values:
            continue
        listed = " or ".join(f'"{value}"' for value in parameter.values)
        state = "is missing" if given is None else f"must not be {given!r}"
        sentence = f"{_FIELD} {parameter.name} {state}: the class {class_name!r} demands {listed}"
        problems.add(ConnectorReason.INVALID_PARAMETER, sentence)


def _add(problems: Problems, sentence: str, fix: str = "") -> None:
    problems.add(ConnectorReason.CONNECTOR_CLASS_INVALID, sentence, fix)
