"""The template engine of a ConnectorClass: Jinja, without all that could reach or hold up anything. Pure.

Jinja's sandbox keeps templates from Python's internals. Here a list of allowed syntax comes before it: there
are texts, names, conditions, and loops over two short lists. There are no calls, no arithmetic, no variables
and few filters. So the work of a template is bounded by its length, and no rule about `range`, `*`, `center`
or `format` is needed.

    allowed   {{ connector.name }}   {{ index_url }}   {{ connector.params['access'] | default('read') }}
              {% if upload_url %} … {% endif %}   {% for target in targets %} … {% endfor %}
    refused   {{ ''.join(x) }}   {{ x * 9 }}   {% set x = … %}   {% include … %}   {{ x.__class__ }}
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from webhook.errors import InvalidValue

OUTPUT_LIMIT = 64 * 1024
"""Characters of one file, as many as all templates of a class may have"""
NODES_LIMIT = 2000
"""Parts of a template. A loop of 32 rounds over all of them takes some 50 ms"""
DEPTH_LIMIT = 40
"""Of parts within parts: Python's own parser must be able to follow"""

_SYNTAX: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Concat,
    nodes.For,
    nodes.Filter,
    nodes.Test,
    nodes.Tuple,
    nodes.List,
)
_FILTERS = ("default", "lower", "upper", "trim")
_TESTS = ("defined", "undefined", "none", "in")
_COUNTERS = ("index", "index0", "first", "last", "length")
_LOOPS = "a loop can go over targets and connector.params only, and not inside another loop"

_FAULTS = (
    TemplateError,
    RecursionError,
    SyntaxError,
    MemoryError,
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
)
"""All that Jinja and Python raise for a template that is wrong; it comes from a person"""


def _finalize(value: object) -> str:
    """Only texts and numbers: the form of anything else is Python's."""
    if isinstance(value, Undefined):
        str(value)  # raises, with the name
    if isinstance(value, bool) or not isinstance(value, str | int):
        kind = "nothing" if value is None else f"a {type(value).__name__}"
        raise TemplateRuntimeError(f"an expression gives {kind}, not a text")
    return str(value)


class _Environment(ImmutableSandboxedEnvironment):
    """Reads items of the context's mappings, and of a loop its counters. It reads no attribute of Python."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, LoopContext) and argument in _COUNTERS:
            return getattr(obj, argument)
        return self.undefined(f"{argument!r} is undefined")


def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, finalize=_finalize, keep_trailing_newline=True, cache_size=0
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


_ENVIRONMENT = _environment()


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """The template of one file."""

    file: str
    template: Template

    def render(self, context: Mapping[str, Any]) -> str:
        """The text, or `InvalidValue`. The context holds texts, and lists and mappings of texts, only."""
        parts: list[str] = []
        room = OUTPUT_LIMIT
        try:
            for part in self.template.generate(**context):
                room -= len(part)
                if room < 0:
                    raise InvalidValue(f"gives more than {OUTPUT_LIMIT} characters")
                parts.append(part)
        except _FAULTS as error:
            raise InvalidValue(_sentence(error, self.file)) from None
        return "".join(parts)


def compile_template(file: str, text: str) -> CompiledTemplate:
    """`InvalidValue` for a template that is wrong, with the number of its line."""
    try:
        tree = _ENVIRONMENT.parse(text, filename=file)
        _check(tree)
        code = _ENVIRONMENT.compile(tree, filename=file)
        return CompiledTemplate(file, Template.from_code(_ENVIRONMENT, code, {}))
    except _FAULTS as error:
        raise InvalidValue(_sentence(error, file)) from None


def _check(tree: nodes.Template) -> None:
    """Before anything is compiled: Jinja computes constants, `'a' * 10**9` too, while it compiles."""
    for count, (node, depth, loops) in enumerate(_walk(tree)):
        if count > NODES_LIMIT or depth > DEPTH_LIMIT:
            raise InvalidValue(
                f"has more than {NODES_LIMIT} parts, or more than {DEPTH_LIMIT} within each other"
            )
        fault = _fault(node, loops)
        if fault:
            raise TemplateSyntaxError(fault, node.lineno)


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    """Each part, its depth, and the number of loops around it."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while waiting:
        node, depth, loops = waiting.pop()
        yield node, depth, loops
        inner = loops + isinstance(node, nodes.For)
        waiting += ((child, depth + 1, inner) for child in node.iter_child_nodes())


def _fault(node: nodes.Node, loops: int) -> str | None:
    if not isinstance(node, _SYNTAX):
        return f"{type(node).__name__.lower()} is not allowed in a template"
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return f"{node.attr!r} is not allowed: no name begins with _"
    if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
        return f"the filter {node.name!r} is not allowed; allowed are {', '.join(_FILTERS)}"
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        return f"the test {node.name!r} is not allowed; allowed are {', '.join(_TESTS)}"
    if isinstance(node, nodes.For) and (loops or node.recursive or not _is_short_list(node.iter)):
        return _LOOPS
    return None


def _is_short_list(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Name):
        return node.name == "targets"
    if not isinstance(node, nodes.Getattr) or node.attr != "params":
        return False
    return isinstance(node.node, nodes.Name) and node.node.name == "connector"


def _sentence(error: BaseException, file: str) -> str:
    """Jinja's words, and the line. An error while a template is rendered has its line in the traceback."""
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if line is None and trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, RecursionError | MemoryError):
        return "has too many parts within each other"
    words = getattr(error, "message", None) or type(error).__name__
    return f"line {line}: {words}" if line else str(words)
