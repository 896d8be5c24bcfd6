"""Whether a Pod still keeps the credential apart from its workload. Pure.

Other webhooks may change the Pod after our patch, and its author may write our container by hand. A violation
is a change that could turn the container into another program, make it talk to others, or let others read it.
Useful changes of other webhooks pass: resources, their own variables, mounts below /var/run/secrets.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sidecar.contract.words import COMMAND
from webhook import names
from webhook.errors import Problem
from webhook.grant.known_sidecars import KNOWN, Shape, listened_ports, volume_mounts
from webhook.grant.neighbours import mappings, surrounding_violations
from webhook.grant.reasons import ViolationReason
from webhook.pod.additions import is_forbidden_variable, judged_mounts
from webhook.pod.settings import Settings

_IMAGE_REMEDY = (
    "create the Pod anew; if it is a mirror's, an administrator can name it in the product's "
    "WEBHOOK_ALLOWED_IMAGES"
)
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
"""The types of Pod Security "baseline"; OpenShift sets a level in addition."""
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_TERMINALS = ("stdin", "stdinOnce", "tty")
_PLAIN_MOUNT: Mapping[str, Any] = {
    "readOnly": False,
    "subPath": "",
    "subPathExpr": "",
    "mountPropagation": "None",
}


def violations(pod: Mapping[str, Any], *, settings: Settings) -> list[Problem]:
    """All that could give the credential to another process; empty for a Pod as admission leaves it."""
    spec = pod.get("spec") or {}
    sidecars = [
        container
        for container in mappings(spec.get("initContainers"))
        if container.get("name") == names.SIDECAR
    ]
    if len(sidecars) != 1:
        sentence = f"init container {names.SIDECAR} is absent: was the Pod admitted by the webhook?"
        return [Problem(ViolationReason.SIDECAR_ABSENT, sentence)]
    container = sidecars[0]
    served: Mapping[str, Mapping[str, Any]] = {}
    problems = list(_container_violations(container, settings))
    version = _variables(container).get("SIDECAR_SHAPE")
    shape = KNOWN.get(str(version))
    if shape is None:
        known = ", ".join(KNOWN)
        problems.append(
            _problem(
                ViolationReason.SIDECAR_SHAPE_UNKNOWN, f"is of shape {version!r}; this broker knows {known}"
            )
        )
    else:
        wrong = sorted(_wrong_variables(container, shape, settings))
        served = _served_volumes(container, wrong)
        problems += _shape_violations(container, shape, wrong)
        problems += _mount_violations(container, {**shape.mounts, **served}, spec.get("volumes"))
    return [*problems, *surrounding_violations(spec, served)]


def _problem(reason: ViolationReason, sentence: str) -> Problem:
    return Problem(reason, f"container {names.SIDECAR} {sentence}")


def _container_violations(container: Mapping[str, Any], settings: Settings) -> Iterator[Problem]:
    """Fields that no version of the sidecar has."""
    if container.get("image") not in settings.allowed_images:
        sentence = f"runs {container.get('image')!r}, which is not an allowed image: {_IMAGE_REMEDY}"
        yield _problem(ViolationReason.SIDECAR_IMAGE, sentence)
    if container.get("restartPolicy") != "Always":
        yield _problem(ViolationReason.SIDECAR_RESTART_POLICY, "must have restartPolicy Always")
    if container.get("restartPolicyRules"):
        yield _problem(ViolationReason.SIDECAR_RESTART_POLICY, "must not have restartPolicyRules")
    if container.get("args"):
        yield _problem(ViolationReason.SIDECAR_ARGUMENTS, "must not have args")
    if container.get("workingDir"):
        yield _problem(ViolationReason.SIDECAR_WORKING_DIRECTORY, "must not have a workingDir")
    if container.get("envFrom"):
        yield _problem(
            ViolationReason.SIDECAR_ENV_FROM, "must not have envFrom: the broker cannot see its variables"
        )
    if container.get("volumeDevices"):
        yield _problem(ViolationReason.SIDECAR_DEVICE, "must not have volumeDevices")
    for device in _devices(container.get("resources") or {}):
        yield _problem(
            ViolationReason.SIDECAR_DEVICE,
            f"must not have {device}: drivers change a container with a device",
        )
    yield from _access_violations(container)


def _access_violations(container: Mapping[str, Any]) -> Iterator[Problem]:
    """Ways into the sidecar's process: commands, terminals, variables, and weak confinement."""
    for field in _PROBES:
        if container.get(field):
            yield _problem(
                ViolationReason.SIDECAR_PROBE, f"must not have a {field}: it could run a command of others"
            )
    for field in _TERMINALS:
        if container.get(field):
            yield _problem(
                ViolationReason.SIDECAR_TERMINAL, f"must not have {field}: it could be attached to"
            )
    for entry in mappings(container.get("env")):
        if is_forbidden_variable(entry):
            yield _problem(
                ViolationReason.SIDECAR_VARIABLE_FORBIDDEN, f"must not have the variable {entry.get('name')}"
            )
    for sentence in _security_problems(container.get("securityContext") or {}):
        yield _problem(ViolationReason.SIDECAR_SECURITY_CONTEXT, sentence)


def _devices(resources: Mapping[str, Any]) -> Iterator[str]:
    if resources.get("claims"):
        yield "resources.claims"
    for kind in ("limits", "requests"):
        # the name of a device has a domain (device plugin, DeviceClass), that of hugepages has not
        yield from (f"resources.{kind} {name}" for name in resources.get(kind) or {} if "/" in name)


def _security_problems(context: Mapping[str, Any]) -> Iterator[str]:
    """Settings weaker than as injected (Pod Security "restricted", and a read-only root)."""
    for field, wanted in (
        ("allowPrivilegeEscalation", False),
        ("readOnlyRootFilesystem", True),
        ("runAsNonRoot", True),
    ):
        if context.get(field) is not wanted:
            yield f"must have securityContext.{field} {str(wanted).lower()}"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []) or capabilities.get("add"):
        yield "must drop all capabilities and add none"
    if (context.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "must have a seccompProfile"
    if context.get("privileged") or context.get("runAsUser") == 0:
        yield "must not be privileged or run as root"
    if context.get("procMount", "Default") != "Default":
        yield "must have the default procMount"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "must not lift AppArmor"
    options = context.get("seLinuxOptions") or {}
    if options.get("user") or options.get("role") or options.get("type", "container_t") not in _SELINUX_TYPES:
        yield "must not choose an SELinux user, role or type"


def _served_volumes(container: Mapping[str, Any], wrong: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    """Volumes that the workload mounts by itself, and into which the sidecar writes."""
    value = _variables(container).get("SIDECAR_VOLUMES")
    return volume_mounts(value) if value and "SIDECAR_VOLUMES" not in wrong else {}


def _shape_violations(container: Mapping[str, Any], shape: Shape, wrong: Sequence[str]) -> Iterator[Problem]:
    """Differences between the container and the container that this version injected, but for its mounts."""
    if container.get("command") != list(shape.command):
        yield _problem(ViolationReason.SIDECAR_COMMAND, f"must run {' '.join(COMMAND)}")
    if container.get("terminationMessagePolicy", "File") != shape.termination_message_policy:
        yield _problem(ViolationReason.SIDECAR_TERMINATION, "has another terminationMessagePolicy")
    if container.get("terminationMessagePath", "/dev/termination-log") != "/dev/termination-log":
        yield _problem(ViolationReason.SIDECAR_TERMINATION, "has another terminationMessagePath")
    if wrong:
        yield _problem(
            ViolationReason.SIDECAR_VARIABLE, f"has variables that are not as injected: {', '.join(wrong)}"
        )
    # the start gate depends on the ports, so it can be judged only if they are right
    if "SIDECAR_LISTEN" not in wrong:
        ports = listened_ports(_variables(container)["SIDECAR_LISTEN"])
        gate = {"postStart": {"exec": {"command": list(shape.start_gate(ports))}}}
        if container.get("lifecycle") != gate:
            yield _problem(ViolationReason.SIDECAR_LIFECYCLE, "has another lifecycle than the start gate")


def _wrong_variables(container: Mapping[str, Any], shape: Shape, settings: Settings) -> Iterator[str]:
    entries = mappings(container.get("env"))
    # Kubernetes passes on each variable of a repeated name, and the last value wins
    all_names = [str(entry.get("name")) for entry in entries]
    values = _variables(container)
    for name, check in shape.variables.items():
        if all_names.count(name) != 1 or name not in values or not check(values[name], settings):
            yield name
    for name, check in shape.optional_variables.items():
        if name in all_names and (
            all_names.count(name) != 1 or name not in values or not check(values[name], settings)
        ):
            yield name
    known = shape.variables.keys() | shape.optional_variables.keys()
    yield from (name for name in all_names if name.startswith("SIDECAR_") and name not in known)


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    """Only plain texts: the value of `valueFrom`, and of `$(NAME)`, is not in the manifest."""
    return {
        str(entry.get("name")): entry["value"]
        for entry in mappings(container.get("env"))
        if isinstance(entry.get("value"), str) and "$(" not in entry["value"] and not entry.get("valueFrom")
    }


def _mount_violations(
    container: Mapping[str, Any], ours: Mapping[str, Mapping[str, Any]], volumes: object
) -> Iterator[Problem]:
    """`ours`: volume → its mount."""
    mounts = mappings(container.get("volumeMounts"))
    wanted: Mapping[str, Mapping[str, Any]] = {
        volume: {**_PLAIN_MOUNT, **mount, "name": volume} for volume, mount in ours.items()
    }
    completed: list[Mapping[str, Any]] = [{**_PLAIN_MOUNT, **mount} for mount in mounts]
    mounted = [mount.get("name") for mount in mounts]
    for volume, mount in wanted.items():
        if completed.count(mount) != 1 or mounted.count(volume) != 1:
            yield _problem(ViolationReason.SIDECAR_MOUNT, f"must mount the volume {volume} once, as injected")
    foreign = [mount for mount in mounts if mount.get("name") not in ours]
    our_paths = [str(mount["mountPath"]) for mount in ours.values()]
    for mount, objection in judged_mounts(foreign, our_paths, mappings(volumes)):
        if objection:
            sentence = (
                f"must not mount {mount.get('mountPath')}: {objection}; "
                "if another webhook adds the mount, exclude the Pod from it"
            )
            yield _problem(ViolationReason.SIDECAR_FOREIGN_MOUNT, sentence)
