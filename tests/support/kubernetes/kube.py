"""kubectl, bound to one cluster and one user, for the tests on a real API server.

kubectl and not a client library, because it is what users type: its sentences are part of what is tested,
and nothing here is shared with the code under test. Objects are plain dicts, as everywhere.
"""

import json
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeVar

Manifest = Mapping[str, Any] | str
"""An object, or YAML or JSON text of any number of documents"""

Objects = list[dict[str, Any]]
Arguments = list[str]
T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""Longest wait for what must come, on a machine that may be three times slower; only failures wait so long"""
POLL_SECONDS = 0.1  # arbitrary: a call of kubectl itself takes about as long


class KubectlFailed(AssertionError):
    """kubectl did not exit with 0; the message is what it said."""

    def __init__(self, result: CompletedProcess[str]) -> None:
        self.stderr = result.stderr.strip()
        command = " ".join(str(argument) for argument in result.args)
        super().__init__(
            f"exit code {result.returncode} of {command}\n{self.stderr}\n{result.stdout.strip()}".strip()
        )


@dataclass(frozen=True, slots=True)
class Kube:
    """A cluster as one user sees it; `user` and `groups` act by impersonation, which an administrator may."""

    kubeconfig: Path
    _: KW_ONLY
    kubectl: str = "kubectl"
    user: str | None = None
    groups: tuple[str, ...] = ()

    def as_user(self, name: str, *groups: str) -> "Kube":
        """The same cluster as another user; `system:authenticated` must be named like any other group."""
        return replace(self, user=name, groups=groups)

    def as_service_account(self, namespace: str, name: str = "default") -> "Kube":
        """The same cluster as a process of a Pod sees it, with the groups that the API server gives it."""
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return self.as_user(f"system:serviceaccount:{namespace}:{name}", *groups)

    def command(self, *args: str) -> Arguments:
        """The argument list, for tests that run kubectl their own way (in the background, on a pipe)."""
        impersonation = (
            [] if self.user is None else [f"--as={self.user}", *(f"--as-group={g}" for g in self.groups)]
        )
        return [self.kubectl, f"--kubeconfig={self.kubeconfig}", *impersonation, *args]

    def run(
        self, *args: str, stdin: str | None = None, check: bool = True, timeout: float = PATIENCE_SECONDS
    ) -> CompletedProcess[str]:
        try:
            result = subprocess.run(
                self.command(*args),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = b"".join(one for one in (late.stdout, late.stderr) if one).decode()
            raise AssertionError(
                f"kubectl {args} has not ended after {timeout:g} s; it said:\n{said}"
            ) from None
        if check and result.returncode != 0:
            raise KubectlFailed(result)
        return result

    # Objects

    def apply(
        self,
        *manifests: Manifest,
        namespace: str | None = None,
        check: bool = True,
        server_side: bool = False,
    ) -> CompletedProcess[str]:
        options = ["--server-side", "--force-conflicts"] if server_side else []
        return self.run(
            "apply", *_namespaced(namespace), *options, "-f", "-", stdin=_text(manifests), check=check
        )

    def create(
        self, *manifests: Manifest, namespace: str | None = None, check: bool = True
    ) -> CompletedProcess[str]:
        return self.run("create", *_namespaced(namespace), "-f", "-", stdin=_text(manifests), check=check)

    def refused(self, *manifests: Manifest, namespace: str | None = None) -> str:
        """Create it, which the API server must refuse; its sentence."""
        result = self.create(*manifests, namespace=namespace, check=False)
        assert result.returncode != 0, f"must be refused, was accepted: {result.stdout}"
        return result.stderr.strip()

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        return _object(self.run("get", kind, name, *_namespaced(namespace), "-o", "json").stdout)

    def find(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """None when there is no such object; other failures are failures."""
        found = self.run(
            "get", kind, name, *_namespaced(namespace), "-o", "json", "--ignore-not-found"
        ).stdout
        return _object(found) if found.strip() else None

    def list(self, kind: str, namespace: str | None = None, selector: str | None = None) -> Objects:
        """The objects of one namespace, or of all."""
        scope = ["--all-namespaces"] if namespace is None else _namespaced(namespace)
        labels = [] if selector is None else ["-l", selector]
        items = _object(self.run("get", kind, *scope, *labels, "-o", "json").stdout)["items"]
        assert isinstance(items, list)
        return items

    def patch(
        self,
        kind: str,
        name: str,
        patch: object,
        namespace: str | None = None,
        *,
        kind_of_patch: str = "merge",
        subresource: str | None = None,
        check: bool = True,
    ) -> CompletedProcess[str]:
        """`kind_of_patch`: json, merge or strategic."""
        options = [] if subresource is None else [f"--subresource={subresource}"]
        patch_option = ["--type", kind_of_patch, "-p", json.dumps(patch)]
        return self.run("patch", kind, name, *_namespaced(namespace), *options, *patch_option, check=check)

    def delete(self, kind: str, name: str, namespace: str | None = None, *, now: bool = False) -> None:
        """Waits until it is gone; `now` asks no kubelet (there is none on an API server alone)."""
        options = ["--grace-period=0", "--force"] if now else []
        self.run("delete", kind, name, *_namespaced(namespace), "--ignore-not-found", *options)

    def logs(self, pod: str, namespace: str, container: str | None = None) -> str:
        chosen = [] if container is None else ["-c", container]
        return self.run("logs", pod, *_namespaced(namespace), *chosen).stdout

    def events(self, namespace: str, about: str | None = None) -> Objects:
        """Events of a namespace, or of the objects of one name in it."""
        found = self.list("events.v1.", namespace)
        return [event for event in found if about is None or event["involvedObject"].get("name") == about]

    def can_i(
        self, verb: str, resource: str, namespace: str | None = None, *, name: str | None = None
    ) -> bool:
        target = resource if name is None else f"{resource}/{name}"
        options = _namespaced(namespace) if namespace is not None else ["--all-namespaces"]
        result = self.run("auth", "can-i", verb, target, *options, check=False)
        answer = result.stdout.strip().splitlines()[-1:]
        if answer not in (["yes"], ["no"]):
            raise KubectlFailed(result)
        return answer == ["yes"]

    # Time

    @contextmanager
    def namespace(self, labels: Mapping[str, str] | None = None, prefix: str = "test") -> Iterator[str]:
        """The name of a fresh namespace; its deletion is begun at the end, not awaited."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        try:
            # Pods need the default ServiceAccount. It is made here rather than awaited: a controller manager
            # finds it made, and an API server without one works the same.
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            made = self.create(account, namespace=name, check=False)
            if made.returncode != 0 and "already exists" not in made.stderr:
                raise KubectlFailed(made)
            yield name
        finally:
            self.run("delete", "namespace", name, "--wait=false", "--ignore-not-found")

    def wait_for(
        self, predicate: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS, what: str | None = None
    ) -> T:
        """The predicate's first true result; a failing kubectl or assert counts as not yet."""
        deadline = time.monotonic() + seconds
        while True:
            last: object = None
            try:
                value = predicate()
                if value:
                    return value
                last = value
            except AssertionError as error:
                last = error
            if time.monotonic() > deadline:
                name = what or getattr(predicate, "__qualname__", repr(predicate))
                raise AssertionError(f"waited {seconds:g} s for {name}; last seen: {last}")
            time.sleep(POLL_SECONDS)

    def wait_for_condition(
        self,
        kind: str,
        name: str,
        condition: str,
        namespace: str | None = None,
        *,
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`kubectl wait --for=condition=…`; the object and what is said of it stand in the failure."""
        options = [*_namespaced(namespace), f"--timeout={seconds:g}s"]
        waited = self.run(
            "wait",
            f"{kind}/{name}",
            f"--for=condition={condition}",
            *options,
            check=False,
            timeout=seconds + 30,
        )
        if waited.returncode != 0:
            described = self.run("describe", kind, name, *_namespaced(namespace), check=False).stdout
            raise AssertionError(f"{waited.stderr.strip()}\n{described}")


def _namespaced(namespace: str | None) -> Arguments:
    return [] if namespace is None else ["-n", namespace]


def _text(manifests: tuple[Manifest, ...]) -> str:
    return "\n---\n".join(m if isinstance(m, str) else json.dumps(m) for m in manifests)


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    assert isinstance(found, dict)
    return found
