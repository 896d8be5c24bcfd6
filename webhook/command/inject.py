"""`pypi-connector inject`: manifests with the Pods that admission would make, without a cluster.

Standard output gets the input with its Pods and Pod templates injected, for `kubectl apply -f -`. If any of
them is refused, standard output stays empty.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from webhook import names
from webhook.command.lists import objects
from webhook.command.manifests import DEMANDS, Manifests, namespace_of
from webhook.command.pod_manifests import PodManifest, find_pods
from webhook.command.yaml_files import Document, dump, label, read_documents
from webhook.connector.fields import as_mapping
from webhook.connector.manifest import MaybeConnector
from webhook.connector.reasons import ConnectorReason
from webhook.console import Console, Style
from webhook.errors import InputError, InvalidConnector
from webhook.identifiers import ConnectorKey
from webhook.pod.decision import Decision, decide
from webhook.pod.namespace import NamespaceFacts, namespace_facts
from webhook.pod.settings import Settings


@dataclass(frozen=True, slots=True)
class InjectedDocument:
    """A document with the decisions on its Pods; most documents hold a single Pod or none."""

    document: Document
    decisions: tuple[tuple[PodManifest, Decision], ...]

    @property
    def is_changed(self) -> bool:
        return any(decision.pod not in (None, manifest.pod) for manifest, decision in self.decisions)

    def after(self) -> Any:
        """The document with the injected Pods in it."""
        result = self.document.value
        for manifest, decision in self.decisions:
            if decision.pod is not None:
                result = manifest.put_into(result, decision.pod)
        return result


def offline_settings(image: str | None) -> Settings:
    """Settings without the broker's CA, which only the cluster has."""
    sidecar_image = image or f"{names.SIDECAR_IMAGE}:{version('pypi-connector')}"
    return Settings(sidecar_image=sidecar_image, allowed_images=(sidecar_image,), broker_ca=())


def inject_files(
    sources: Sequence[str], manifests: Manifests, settings: Settings, *, namespace: str | None
) -> list[InjectedDocument]:
    """Decide on all Pods in the files. `InputError` if no file has any.

    The Pods' namespace is `namespace`, else the manifest's, else the default.
    """
    documents = [document for source in sources for document in read_documents(source)]
    demands = [*manifests.demands, *_demands(documents, manifests.default_namespace)]
    manifests = replace(manifests, demands=demands)
    result = []
    for document in documents:
        pods = tuple(find_pods(document.value))
        decisions = tuple((pod, _decide(pod, manifests, settings, namespace)) for pod in pods)
        result.append(InjectedDocument(document, decisions))
    if not any(document.decisions for document in result):
        raise _no_pod(sources, result)
    return result


def _demands(
    documents: Sequence[Document], default_namespace: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """LimitRanges, quotas and Namespaces that stand beside the Pods."""
    for value in (as_mapping(item) for document in documents for _, item in objects(document.value)):
        if value.get("kind") in DEMANDS:
            yield namespace_of(value, default_namespace), value


def _facts(namespace: str, manifests: Manifests) -> NamespaceFacts:
    """Of the files: without a Namespace among them, its labels and annotations are unknown."""
    of_namespace = [manifest for place, manifest in manifests.demands if place == namespace]
    limit_ranges, quotas, namespaces = (
        [manifest for manifest in of_namespace if manifest["kind"] == kind] for kind in DEMANDS
    )
    metadata = as_mapping(namespaces[-1].get("metadata")) if namespaces else {}
    labels, annotations = (_texts(metadata.get(field)) for field in ("labels", "annotations"))
    return namespace_facts(labels, quotas, limit_ranges, annotations)


def _texts(values: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in as_mapping(values).items()}


def _no_pod(sources: Sequence[str], documents: Sequence[InjectedDocument]) -> InputError:
    files = ", ".join(map(label, sources))
    values = [injected.document.value for injected in documents]
    kinds = [value.get("kind") if isinstance(value, Mapping) else None for value in values]
    listed = ", ".join(dict.fromkeys(str(kind or "no kind") for kind in kinds)) or "nothing"
    contents = f"is of kind {listed}" if len(kinds) == 1 else f"holds {listed}"
    sentence = f"{files} {contents}; inject takes a Pod, or an object with a Pod template"
    return InputError.of("UnexpectedKind", sentence)


def _decide(
    manifest: PodManifest, manifests: Manifests, settings: Settings, namespace: str | None
) -> Decision:
    """Decide as admission does, but allow an address without TLS: registries on a laptop have none."""
    warnings: list[str] = []

    def lookup(key: ConnectorKey) -> MaybeConnector:
        if key not in manifests.connectors:
            return None
        try:
            return manifests.parse(key)
        except InvalidConnector as error:
            if any(problem.reason != ConnectorReason.INSECURE_ADDRESS for problem in error.problems):
                return error
            warnings.extend(
                f"a cluster would refuse this Connector: {problem.message}" for problem in error.problems
            )
            return manifests.parse(key, insecure_allowed=True)

    chosen = namespace or manifest.namespace or manifests.default_namespace
    facts = _facts(chosen, manifests)
    decision = decide(manifest.pod, namespace=chosen, lookup=lookup, settings=settings, facts=facts)
    misplaced = [_misplaced(name, manifest) for name in manifest.misplaced_annotations()]
    return replace(decision, warnings=(*decision.warnings, *misplaced, *dict.fromkeys(warnings)))


def _misplaced(annotation: str, manifest: PodManifest) -> str:
    field = ".".join(map(str, (*manifest.template_path, "metadata", "annotations")))
    fix = f"move it to {field}"
    return f"annotation {annotation} stands on {manifest.title} itself, where nobody reads it: {fix}"


def print_decisions(documents: Sequence[InjectedDocument], console: Console) -> None:
    """The warnings and the message of each Pod; the Pod has a name where there are several."""
    decisions = [pair for document in documents for pair in document.decisions]
    for manifest, decision in decisions:
        name = f"{manifest.title}: " if len(decisions) > 1 else ""
        for warning in decision.warnings:
            console.line(f"warning: {name}{warning}", "yellow")
        style: Style = "dim" if decision.allowed else "red"
        first, *further = decision.message.split("\n")
        for line in (f"{name}{decision.reason.value}: {first}", *(f"  {problem}" for problem in further)):
            console.line(line, style)


def print_stream(documents: Sequence[InjectedDocument], console: Console) -> None:
    """All documents in their order. A document that does not change is printed as it was written."""
    for injected in documents:
        if len(documents) > 1:
            console.line("---")
        text = dump(injected.after()) if injected.is_changed else injected.document.text()
        for line in text.rstrip("\n").split("\n"):
            console.line(line)


def print_diff(documents: Sequence[InjectedDocument], console: Console) -> None:
    """The changes, as a diff for each document."""
    for injected in documents:
        if injected.is_changed:
            console.diff(list(_diff(injected, is_alone=len(documents) == 1)))


def _diff(injected: InjectedDocument, *, is_alone: bool) -> Iterator[str]:
    titles = ", ".join(manifest.title for manifest, _ in injected.decisions)
    labels = ("before", "after") if is_alone else (f"before: {titles}", f"after: {titles}")
    before, after = dump(injected.document.value), dump(injected.after())
    return difflib.unified_diff(before.splitlines(), after.splitlines(), *labels, lineterm="")
