"""What the Connectors of a request mean for the decision: problems, warnings, the strictest rule. Pure."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from webhook import names
from webhook.connector.manifest import Connector, MaybeConnector
from webhook.connector.parameters import STRICTEST_FIRST
from webhook.connector.reasons import ConnectorReason
from webhook.errors import InvalidConnector, Problem
from webhook.identifiers import ConnectorKey
from webhook.pod.reasons import Reason
from webhook.pod.request import Request
from webhook.pod.workload import IndexRule

Lookup = Callable[[ConnectorKey], MaybeConnector]


def connector_problems(request: Request, lookup: Lookup) -> list[Problem]:
    problems: list[Problem] = []
    for key in request.keys:
        connector = lookup(key)
        if connector is None:
            sentence = f"connector {key.name} not found in namespace {key.namespace}"
            fix = "create it, or name another"
            if names.CONNECTOR in request.inherited:
                fix += f" in the annotation {names.CONNECTOR} of the Namespace"
            problems.append(Problem(Reason.CONNECTOR_NOT_FOUND, sentence, fix))
        elif isinstance(connector, InvalidConnector):
            reasons = [problem.reason for problem in connector.problems]
            is_class = ConnectorReason.CONNECTOR_CLASS_NOT_FOUND in reasons
            reason = Reason.CONNECTOR_CLASS_NOT_FOUND if is_class else Reason.CONNECTOR_INVALID
            problems += [replace(problem, reason=reason) for problem in connector.problems]
    return problems


def unknown_configurations(request: Request, lookup: Lookup) -> list[Problem]:
    """The class of the first connector has the configurations of all."""
    connector = lookup(request.connectors[0])
    if not isinstance(connector, Connector):
        return []
    known = connector.connector_class.configuration_names
    unknown = [name for name in request.own_configurations if name not in known]
    if not unknown:
        return []
    sentence = f"annotation {names.CONFIGURATIONS} names {', '.join(unknown)}"
    fix = f"the class {connector.connector_class.name} of Connector {connector.key} has {', '.join(known)}"
    return [Problem(Reason.INVALID_ANNOTATION, sentence, fix)]


def index_rule(request: Request, lookup: Lookup) -> IndexRule:
    """The strictest rule of the Connectors to install from."""
    of_volumes = [key for volume in request.volumes if volume.has_index for key in volume.connectors]
    rules = {
        connector.extra_indexes: key
        for key in reversed([*request.connectors, *of_volumes])
        if isinstance(connector := lookup(key), Connector)
    }
    value = next(value for value in STRICTEST_FIRST if value in rules)
    return IndexRule(value, rules[value])


def unreachable_connectors(request: Request, lookup: Lookup) -> list[str]:
    """Warnings about an order that ends early: what a Connector does not allow is looked for nowhere."""
    return [
        f"Connector {key} allows some packages only (allowPackages): all others are refused, and not looked "
        f"for in {following}"
        for key, following in pairwise(request.order)
        if isinstance(connector := lookup(key), Connector) and connector.packages and connector.packages.allow
    ]
