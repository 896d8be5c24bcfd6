"""The status of a ConnectorClass."""

from typing import Any

import yaml

from support.checkout import ROOT
from webhook.cluster.connector_class import PYPI
from webhook.status.class_status import class_condition, class_patch

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def declared(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "strict", "generation": 3}, "spec": spec}


def pip_conf(text: str, **spec: Any) -> dict[str, Any]:
    return declared(configurations=[{"name": "pipconf", "data": {"pip.conf": text}}], **spec)


def said(manifest: dict[str, Any]) -> tuple[str, str, str]:
    condition = class_condition(manifest)
    return condition.status, str(condition.reason), condition.message


def test_the_default_class_is_ready() -> None:
    assert said(PYPI)[:2] == ("True", "Valid")
    patch = class_patch(PYPI, NOW)
    assert patch
    assert patch["status"]["configurations"] == "pipconf, pypirc, uv"


def test_a_wrong_template_is_told_with_its_line() -> None:
    status, reason, message = said(pip_conf("[global]\ntimeout = {{ seconds }}\n"))
    assert (status, reason) == ("False", "TemplateInvalid")
    assert message.startswith("pipconf: pip.conf: line 2: 'seconds' is undefined")


def test_a_template_is_tried_without_parameters_and_without_uploads() -> None:
    assert said(pip_conf("# {{ connector.params.access }}"))[1] == "TemplateInvalid"
    assert said(pip_conf("# {{ connector.params.access | default('x') }}"))[1] == "Valid"
    defaults = [{"name": "access", "default": "read"}]
    assert said(pip_conf("# {{ connector.params.access }}", params=defaults))[1] == "Valid"
    assert "gives nothing" in said(pip_conf("# {{ upload_url }}"))[2]


def test_a_second_index_needs_the_word_of_the_class() -> None:
    text = "[global]\nextra-index-url = https://second.example/simple/"
    assert "extraIndexes: allow" in said(pip_conf(text))[2]
    assert said(pip_conf(text, extraIndexes="allow"))[1] == "Valid"


def test_a_class_that_breaks_its_contract_is_told_of_all() -> None:
    status, reason, message = said(declared(extraIndexes="x", params=[{"name": "y"}]))
    assert (status, reason) == ("False", "ConnectorClassInvalid")
    assert "spec.extraIndexes" in message
    assert "spec.params" in message


def test_the_example_of_the_page_is_ready() -> None:
    page = (ROOT / "docs" / "classes.md").read_text()
    manifest = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert said(manifest)[:2] == ("True", "Valid")
    assert class_patch(manifest, NOW)["status"]["configurations"] == "pipconf, pypirc, uv, pip-extra"  # type: ignore[index]


def test_files_that_are_too_large_together_are_told() -> None:
    """Each file of a class may have 64 KiB, and a text that needs escapes takes more room in a variable."""
    line = "\u00e4" * 20000
    made = declared(configurations=[{"name": "own", "data": {"a": line}}])
    assert said(made)[1] == "TemplateInvalid"
    assert "a Pod can take" in said(made)[2]


def test_a_status_that_is_stored_is_not_written_again() -> None:
    made = pip_conf("[global]\ntimeout = 60")
    patch = class_patch(made, NOW)
    assert patch
    stored = {**made, "status": patch["status"]}
    assert class_patch(stored, LATER) is None
    stored["spec"] = {"extraIndexes": "x"}
    changed = class_patch(stored, LATER)
    assert changed
    assert changed["status"]["conditions"][0]["lastTransitionTime"] == LATER
