"""`pypi-connector explain`: reads the facts about a Pod, and prints what they mean.

It reads with the user's own rights. Where these do not suffice, it says so, and which administrator to ask.
"""

import asyncio
from collections.abc import Mapping

from webhook.cluster.kubernetes import context_namespace, in_cluster_or_kubeconfig
from webhook.console import Console, Style
from webhook.errors import InputError
from webhook.explain import workloads
from webhook.explain.creation import failed_creations
from webhook.explain.explanation import Explanation, explain
from webhook.explain.fact_reader import read_facts
from webhook.explain.facts import Facts, Json, Unread
from webhook.explain.statements import Level
from webhook.explain.workloads import Target
from webhook.identifiers import is_object_name

_STYLES: Mapping[Level, tuple[Style, ...]] = {
    "ok": ("green",),
    "note": (),
    "waiting": ("yellow",),
    "wrong": ("red",),
}
_MARKS: Mapping[Level, str] = {"ok": "+", "note": "-", "waiting": "~", "wrong": "!"}


def explain_pod(
    environment: Mapping[str, str], namespace: str | None, name: str, *, context: str | None, console: Console
) -> bool:
    """Whether the Pod is served. Raises `InputError` if there is no Pod, and `ClusterRefused` if it may not
    be read."""
    target = workloads.parse_target(name)
    namespace = namespace or context_namespace(environment, context=context)
    facts = asyncio.run(_facts(environment, context, namespace, target))
    if facts.pod is None and facts.workload is None and not failed_creations(facts):
        raise absence(facts)
    explanation = explain(facts)
    print_explanation(explanation, console)
    return explanation.is_served


def print_explanation(explanation: Explanation, console: Console) -> None:
    console.line(f"{explanation.subject} {explanation.verdict}", "bold", *_STYLES[explanation.level])
    previous = ""
    for statement in explanation.statements:
        title = "" if statement.section == previous else statement.section
        previous = statement.section
        mark = (_MARKS[statement.level], _STYLES[statement.level])
        console.spans((f"  {title:<11}", ()), mark, (f" {statement.text}", ()))
        if statement.fix:
            console.spans((f"  {'':<11}  ", ()), ("fix:", ("bold",)), (f" {statement.fix}", ()))


def absence(facts: Facts) -> InputError:
    """There is no such Pod. If it could not be created, the sentence suggests to explain its owner."""
    sentence = f'pods "{facts.name}" not found in namespace "{facts.namespace}"'
    if not isinstance(facts.creations, Unread):
        owners = list(dict.fromkeys(filter(None, map(_owner, facts.creations))))
        if owners:
            command = f"pypi-connector explain -n {facts.namespace} {owners[0]}"
            sentence += f"; Pods of {', '.join(owners)} could not be created: try `{command}`"
    return InputError.of("PodNotFound", sentence)


def _owner(event: Json) -> str | None:
    """KIND/NAME for `explain`. None if no object can have these words, which a shell could execute."""
    reference = event.get("involvedObject") or {}
    kind, name = str(reference.get("kind")).lower(), str(reference.get("name"))
    return f"{kind}/{name}" if kind in workloads.KINDS and is_object_name(name) else None


async def _facts(
    environment: Mapping[str, str], context: str | None, namespace: str, target: Target
) -> Facts:
    async with await in_cluster_or_kubeconfig(environment, context=context) as api:
        return await read_facts(api, namespace, target)
