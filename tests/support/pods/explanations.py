"""The cases of `explain`, tests/cases/explanations: the facts of `input.yaml`, the text of `output.txt`.

`base.yaml` says what an input may hold and what holds where it says nothing.
"""

import base64
import copy
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from support.checkout import TESTS
from webhook import names
from webhook.connector.manifest import Connector, parse_connector
from webhook.console import Console
from webhook.explain.command import print_explanation
from webhook.explain.explanation import Explanation
from webhook.explain.facts import Facts, Unread, parse_log
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import decide
from webhook.pod.namespace import namespace_facts
from webhook.pod.settings import Settings

Json = dict[str, Any]

FOLDER = TESTS / "cases" / "explanations"
CASES = sorted(path.parent.name for path in FOLDER.glob("*/input.yaml"))
_BASE: Json = yaml.safe_load((FOLDER / "base.yaml").read_text())
_LAID_OVER = ("pod", "connectors")
NOW = datetime.fromisoformat(_BASE["now"])


def input_of(name: str) -> Json:
    """The document of one case, completed by the base."""
    case = yaml.safe_load((FOLDER / name / "input.yaml").read_text())
    unknown = set(case) - set(_BASE)
    assert not unknown, f"{name}: {unknown} is in no base.yaml"
    laid = {key: laid_over(_BASE[key], case.get(key, {})) for key in _LAID_OVER}
    return copy.deepcopy({**_BASE, **case, **laid})


def output_of(name: str) -> Path:
    return FOLDER / name / "output.txt"


def facts_of(name: str) -> Facts:
    case = input_of(name)
    return Facts(
        namespace=case["namespace"],
        name=case["name"],
        now=NOW,
        pod=_pod(case),
        workload=case["workload"],
        owners=case["owners"],
        events=_read(case["events"]),
        creations=_read(case["creations"]),
        connectors={ConnectorKey.parse(key): _read(found) for key, found in case["connectors"].items()},
        log=_read(case["log"], parse_log),
        registration=_read(case["registration"], _encoded),
        registrations=_read(case["registrations"]),
        broker=_read(case["broker"]),
        namespace_object=_read(case["namespace_object"]),
    )


def printed(explanation: Explanation) -> str:
    """The printed text, and the exit code."""
    stream = io.StringIO()
    print_explanation(explanation, Console(stream, is_coloured=False))
    return stream.getvalue() + f"exit code {0 if explanation.is_served else 1}\n"


def laid_over(base: Any, case: Any) -> Any:
    """Mappings are joined, and all else replaces; so does a mapping that says why it could not be read."""
    if not isinstance(base, Mapping) or not isinstance(case, Mapping) or "unread" in case:
        return case
    joined = {key: laid_over(base.get(key), value) for key, value in case.items()}
    return {**base, **joined}


def _read(value: Any, reader: Callable[[Any], Any] = lambda value: value) -> Any:
    if isinstance(value, Mapping) and "unread" in value:
        return Unread(value["unread"])
    return reader(value) if value else value


def _encoded(registration: Json) -> Json:
    for hook in registration.get("webhooks", ()):
        bundle = hook["clientConfig"]["caBundle"]
        hook["clientConfig"]["caBundle"] = base64.b64encode(bundle.encode()).decode()
    return registration


def _pod(case: Json) -> Json | None:
    pod, sidecar = case["pod"], case["sidecar"]
    return pod if pod is None or sidecar is None else _injected(pod, sidecar, case)


def _injected(pod: Json, sidecar: Json, case: Json) -> Json:
    """The Pod as admission leaves it, with the state of its sidecar as the kubelet reports it."""
    admission = case["admission"]
    image = admission["sidecarImage"]
    settings = Settings(sidecar_image=image, allowed_images=(image,), broker_ca=(admission["brokerCA"],))
    metadata = (case["namespace_object"] or {}).get("metadata") or {}
    facts = namespace_facts(metadata.get("labels") or {}, annotations=metadata.get("annotations"))
    decision = decide(pod, namespace=case["namespace"], lookup=_declared, settings=settings, facts=facts)
    assert decision.pod, decision.message
    for field in case["dropped"]:
        del decision.pod["spec"]["initContainers"][0][field]
    statuses = [{"name": names.SIDECAR, **sidecar}] if sidecar else []
    return {**decision.pod, "status": {**pod["status"], "initContainerStatuses": statuses}}


def _declared(key: ConnectorKey) -> Connector:
    """Admission knew every Connector, whatever has become of it since."""
    manifest = _BASE["connectors"]["team/pypi"]
    return parse_connector({**manifest, "metadata": key._asdict()})
