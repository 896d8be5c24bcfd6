"""The template engine: what it allows, and that it reaches nothing and ends soon."""

import time

import pytest

from webhook.clients.templates import NODES_LIMIT, OUTPUT_LIMIT, compile_template
from webhook.errors import InvalidValue

CONTEXT = {
    "connector": {"name": "pypi", "namespace": "team", "params": {"access": "read", "items": "all"}},
    "index_url": "http://127.0.0.1:28100/simple/",
    "upload_url": None,
    "targets": [{"name": "a", "url": "u"}, {"name": "b", "url": "v"}],
}


def render(text: str) -> str:
    return compile_template("pip.conf", text).render(CONTEXT)


def fault(text: str) -> str:
    with pytest.raises(InvalidValue) as caught:
        render(text)
    return caught.value.what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ connector.namespace }}/{{ connector.name }}\n", "team/pypi\n"),
        ("{{ connector.params.access | upper }}", "READ"),
        ("{{ connector.params['items'] }}{{ connector.params.items }}", "allall"),
        ("{{ connector.params.indexPath | default('simple') }}", "simple"),
        ("{% if upload_url %}a{% elif connector.params.access == 'read' %}b{% endif %}", "b"),
        ("{% for one in targets %}{{ one.name }}={{ one.url }}{{ ';' if not loop.last }}{% endfor %}", None),
        ("{% for one in targets %}{{ loop.index }}{{ one.name }} {% endfor %}", "1a 2b "),
        ("{% for name in connector.params %}{{ name }} {% endfor %}", "access items "),
        ("{{ 'x' if upload_url is none else 'y' }}{{ 'a' ~ 1 }}", "xa1"),
        ("{% raw %}{{ kept }}{% endraw %}{# gone #}<&>", "{{ kept }}<&>"),
        ("a\r\nb", "a\nb"),
    ],
)
def test_a_template_renders(text: str, expected: str | None) -> None:
    if expected is None:  # an `if` without `else` gives nothing
        assert "line 1" in fault(text)
    else:
        assert render(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__'] }}",
        "{{ connector['__class__'] }}",
        "{{ connector['_'~'_class_'~'_'] }}",
        "{{ connector.params['__init__'] }}",
        "{{ connector.update({'name': 'x'}) }}",
        "{{ connector.keys() }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ lipsum.__globals__ }}",
        "{{ joiner }}",
        "{{ namespace() }}",
        "{{ config }}",
        "{{ request }}",
        "{{ environment }}",
        "{{ open('/etc/passwd').read() }}",
        "{{ credential }}",
        "{{ secret }}",
        "{{ connector.secret_name }}",
        "{{ loop.__class__ }}",
        "{% for x in targets %}{{ loop.__init__ }}{% endfor %}",
        "{% for x in targets %}{{ loop.cycle('a') }}{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import environ %}",
        "{% extends 'x' %}",
        "{% block a %}{% endblock %}",
        "{% macro a() %}{% endmacro %}",
        "{% call a() %}{% endcall %}",
        "{% set x = connector %}",
        "{% set x %}a{% endset %}",
        "{% with x = 1 %}{% endwith %}",
        "{% do connector.clear() %}",
        "{% debug %}",
        "{% autoescape false %}{% endautoescape %}",
        "{{ connector | attr('name') }}",
        "{{ connector | map('attr') }}",
        "{{ connector | pprint }}",
        "{{ targets | tojson }}",
        "{{ '%s' % connector }}",
        "{{ '{0.__class__}'.format(connector) }}",
        "{{ connector }}",
        "{{ targets }}",
        "{{ 1.0 }}",
        "{{ upload_url }}",
        "{{ true }}",
    ],
)
def test_a_template_reaches_nothing_but_its_values(text: str) -> None:
    assert fault(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 10 ** 9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 9 ** 9 ** 9 % 2 }}",
        "{{ 1 + 1 }}",
        "{{ -1 }}",
        "{% for x in range(10 ** 9) %}x{% endfor %}",
        "{% for x in index_url %}x{% endfor %}",
        "{% for x in targets %}{% for y in targets %}x{% endfor %}{% endfor %}",
        "{% for x in targets recursive %}{{ loop(targets) }}{% endfor %}",
        "{% for x in targets %}{% if 1 %}{% for y in connector.params %}x{% endfor %}{% endif %}{% endfor %}",
        "{{ 'a' | center(10 ** 9) }}",
        "{{ 'a' | indent(10 ** 9) }}",
        "{{ 'a' | format('x') }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a' | replace('a', 'aa') }}",
        "{{ 'abc' | join('xyz') }}",
        "{{ index_url[::2] }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "[" * 5000 + "1" + "]" * 5000 + " }}",
        "{{ " + "not " * 5000 + "1 }}",
        "{{ " + "-" * 5000 + "1 }}",
        "{{ " + "'a' ~ " * 5000 + "'a' }}",
        "{{ " + "1 if 1 else " * 5000 + "1 }}",
        "{{ index_url" + " | lower" * 5000 + " }}",
        "{{ connector" + ".a" * 5000 + " }}",
        "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
        "{{ index_url }}" * (NODES_LIMIT + 1),
        "{% for x in targets %}" + "y" * (OUTPUT_LIMIT - 99) + "{% endfor %}",
        "{{ '" + "9" * 60000 + "' ~ index_url ~ " + "index_url ~ " * 900 + " '' }}",
        "{{ " + "9" * 60000 + " }}",
    ],
    ids=range(30),
)
def test_a_template_ends_soon(text: str) -> None:
    begun = time.process_time()
    assert fault(text)
    assert time.process_time() - begun < 2


def test_the_longest_permitted_work_is_short() -> None:
    body = "{% if connector.params.access == 'read' %}{% endif %}" * 120
    body += "{{ '' if index_url ~ index_url ~ index_url else 'x' }}" * 80
    context = {**CONTEXT, "targets": [{"name": str(number)} for number in range(32)]}
    compiled = compile_template("f", "{% for one in targets %}" + body + "{% endfor %}")
    begun = time.process_time()
    assert compiled.render(context) == ""
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\nb\n{{ nope }}", "line 3: 'nope' is undefined"),
        ("a\n{{ connector.params.nope }}", "line 2: 'nope' is undefined"),
        ("\n{% if %}", "line 2: Expected an expression, got 'end of statement block'"),
        ("\n\n{{ 'x' | center(9) }}", "line 3: the filter 'center' is not allowed"),
        ("{{ a }", "line 1: unexpected '}'"),
        ("\n{{ upload_url }}", "line 2: an expression gives nothing, not a text"),
    ],
)
def test_a_fault_has_its_line(text: str, sentence: str) -> None:
    assert fault(text).startswith(sentence)


def test_a_template_changes_no_value() -> None:
    compiled = compile_template("f", "{{ connector.name }}")
    assert compiled.render(CONTEXT) == compiled.render(CONTEXT) == "pypi"
