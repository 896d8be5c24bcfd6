"""What others may add to our container, and what admission takes out of a container written by hand."""

import re
import sys
import sysconfig
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.pods.isolation_edits import SETTINGS, injected, ours, reasons
from webhook.pod.additions import (
    LOCALE_VALUE_SIZE,
    MOUNTS_LIMIT,
    PATH_SIZE,
    is_forbidden_variable,
    judged_mounts,
)

OUR_PATHS = ("/etc/pypi-connector", "/var/run/secrets/pypi-connector")
SECRETS = "/var/run/secrets"


def volume(name: str, kind: str = "projected") -> dict[str, Any]:
    return {"name": name, kind: {}}


def mount(name: str, path: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **values}


def stay(mounts: list[dict[str, Any]], volumes: list[dict[str, Any]] | None = None) -> list[str]:
    """The names of the volumes whose mounts may stay."""
    present = volumes or [volume(name) for name in sorted({one["name"] for one in mounts})]
    return [one["name"] for one, objection in judged_mounts(mounts, OUR_PATHS, present) if not objection]


# -- mounts


@pytest.mark.parametrize("kind", ["projected", "secret", "configMap", "downwardAPI"])
def test_a_volume_that_the_kubelet_writes_may_be_mounted(kind: str) -> None:
    assert stay([mount("a", f"{SECRETS}/a")], [volume("a", kind)]) == ["a"]


OTHER_KINDS = ("emptyDir", "hostPath", "persistentVolumeClaim", "csi", "ephemeral", "image", "nfs", "novelty")


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_volume_that_can_hold_an_authors_link_may_not(kind: str) -> None:
    assert stay([mount("a", f"{SECRETS}/a")], [volume("a", kind)]) == []
    assert stay([mount("a", f"{SECRETS}/a")], [{**volume("a"), kind: {}}]) == []


def test_a_volume_that_is_absent_or_there_twice_is_of_no_known_kind() -> None:
    assert stay([mount("a", f"{SECRETS}/a")], [volume("b")]) == []
    assert stay([mount("a", f"{SECRETS}/a")], [volume("a"), volume("a", "emptyDir")]) == []
    assert stay([mount("a", f"{SECRETS}/a")], [{**volume("a"), "emptyDir": None}]) == ["a"]


PAIRS = [
    ("/var/run/secrets/a", "/var/run/secrets/a/x"),
    ("/var/run/secrets/a", "/var/run/secrets/a"),
    ("/var/run/secrets/a", "/var/run/secrets/a/"),
    ("/var/run/secrets/a/", "/var/run/secrets/a/x/y"),
    ("/var/run/secrets/a", "/run/secrets/a/x"),
    ("/run/secrets/a", "/var/run/secrets/a/x"),
    ("/var/run/secrets/a", "//var//run/./secrets/a/x"),
    ("/var/run/secrets/a", "/var/run/secrets/b/../a/x"),
    ("/var/run/secrets/a", "var/run/secrets/a/x"),
    ("/var/run/secrets/a", "/"),
    ("/var/run/secrets/a", "/var/run"),
    ("/var/run/secrets/a", "/run"),
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_no_mount_stays_that_is_at_in_or_above_another(first: str, second: str) -> None:
    """With a link in the outer volume, the inner one would lie where the link leads."""
    assert stay([mount("a", first), mount("b", second)]) == []
    assert stay([mount("b", second), mount("a", first)]) == []


def test_only_the_mounts_that_meet_go() -> None:
    paths = {"a": "a", "b": "a/x/y", "c": "a-b", "d": "a.b/x", "e": "ax", "f": "f", "g": "a/z"}
    assert stay([mount(name, f"{SECRETS}/{path}") for name, path in paths.items()]) == ["c", "d", "e", "f"]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a-", "a.b"]), min_size=1, max_size=4), max_size=8))
def test_it_agrees_with_a_comparison_of_each_with_each(paths: list[list[str]]) -> None:
    mounts = [mount(str(index), "/".join([SECRETS, *path])) for index, path in enumerate(paths)]
    met = set()
    for (one, first), (two, second) in combinations(enumerate(paths), 2):
        short = min(len(first), len(second))
        if first[:short] == second[:short]:
            met |= {str(one), str(two)}
    assert set(stay(mounts)) == {one["name"] for one in mounts} - met


@pytest.mark.parametrize("path", [f"{SECRETS}/pypi-connector/x", f"{SECRETS}/pypi-connector", "/etc", "/run"])
def test_nor_that_meets_ours(path: str) -> None:
    assert stay([mount("a", path)]) == []


PARTS = [{"subPath": "x"}, {"subPathExpr": "$(X)"}]
PROPAGATED = [{"mountPropagation": "HostToContainer"}, {"mountPropagation": "Bidirectional"}]


@pytest.mark.parametrize("fields", [*PARTS, *PROPAGATED], ids=str)
def test_only_a_whole_volume_may_be_mounted(fields: dict[str, str]) -> None:
    assert stay([mount("a", f"{SECRETS}/a", **fields)]) == []
    defaults = {"subPath": "", "subPathExpr": None, "mountPropagation": "None", "readOnly": True}
    assert stay([mount("a", f"{SECRETS}/a", **defaults)]) == ["a"]


def test_a_crowd_of_mounts_is_cut_off() -> None:
    mounts = [mount(str(index), f"{SECRETS}/{index}") for index in range(MOUNTS_LIMIT + 1)]
    assert stay(mounts) == [str(index) for index in range(MOUNTS_LIMIT)]
    assert stay([mount("a", f"{SECRETS}/".ljust(PATH_SIZE, "x"))]) == ["a"]
    assert stay([mount("a", f"{SECRETS}/".ljust(PATH_SIZE + 1, "x"))]) == []


NESTED = [mount("a", f"{SECRETS}/a"), mount("b", f"{SECRETS}/a/x")]


@pytest.mark.parametrize("kind", ["emptyDir", "projected"])
def test_admission_removes_the_mounts_that_a_link_would_lead_over_our_program(kind: str) -> None:
    """The author writes our container with two volumes, the second below the first, and mounts both."""
    forged = {"name": "pypi-connector", "image": "x", "volumeMounts": NESTED}
    pod = injected(initContainers=[forged], volumes=[volume("a", kind), volume("b", kind)])
    assert ours(pod)["volumeMounts"] == ours(injected())["volumeMounts"]
    assert reasons(pod) == []


@pytest.mark.parametrize("kind", ["emptyDir", "projected"])
def test_the_broker_refuses_them(kind: str) -> None:
    pod = injected(volumes=[volume("a", kind), volume("b", kind)])
    ours(pod)["volumeMounts"] += NESTED
    assert reasons(pod) == ["SidecarForeignMount"] * 2


def test_a_workload_identitys_token_survives_the_repair() -> None:
    token = mount("token", f"{SECRETS}/eks.amazonaws.com/serviceaccount", readOnly=True)
    forged = {"name": "pypi-connector", "image": SETTINGS.sidecar_image, "volumeMounts": [token]}
    pod = injected(initContainers=[forged], volumes=[volume("token")])
    assert ours(pod)["volumeMounts"][-1] == token
    assert reasons(pod) == []


# -- variables

FORBIDDEN: Mapping[str, tuple[str, ...]] = {
    "of the interpreter": ("PYTHONPATH", "_PYTHON_SYSCONFIGDATA_NAME", "__PYVENV_LAUNCHER__", "_X"),
    "of the C library": ("LD_PRELOAD", "TZDIR", "TMPDIR", "NIS_PATH", "LOCPATH", "GCONV_PATH", "tzdir"),
    "of catalogs and of OpenSSL": ("LANGUAGE", "CTLOG_FILE", "QLOGDIR", "RANDFILE", "OPENSSL_MODULES"),
}


@pytest.mark.parametrize("name", [name for some in FORBIDDEN.values() for name in some])
def test_a_variable_that_can_name_a_file_is_forbidden(name: str) -> None:
    assert is_forbidden_variable({"name": name, "value": "x"})
    assert is_forbidden_variable({"name": name, "valueFrom": {}})


def test_each_variable_by_which_this_python_finds_its_folders_is_forbidden() -> None:
    """The frozen module `getpath` has a name ENV_… for each, and -I does not keep it from all of them."""
    folder, library = (sysconfig.get_config_var(name) for name in ("LIBDIR", "INSTSONAME"))
    programs = (Path(sys.executable).resolve(), Path(str(folder), str(library)))
    content = b"".join(program.read_bytes() for program in programs if program.is_file())
    names = {found.decode() for found in re.findall(rb"\bENV_([A-Z_]*PY[A-Z_]*)", content)}
    assert {"PYTHONHOME", "__PYVENV_LAUNCHER__"} <= names
    assert [name for name in names if not is_forbidden_variable({"name": name})] == []


HARMLESS = {
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
    "AWS_WEB_IDENTITY_TOKEN_FILE": f"{SECRETS}/eks.amazonaws.com/serviceaccount/token",
    "AZURE_FEDERATED_TOKEN_FILE": f"{SECRETS}/azure/tokens/azure-identity-token",
    "GOOGLE_APPLICATION_CREDENTIALS": f"{SECRETS}/workload.json",
    "DD_TRACE_AGENT_URL": "unix:///var/run/datadog/apm.socket",
    "OTEL_SERVICE_NAME": "x",
    "HOME": "/",
    "NODE": "a",
    "MY_TZ": "/x",
    "PYX": "y",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_variables_of_known_webhooks_pass(name: str) -> None:
    assert not is_forbidden_variable({"name": name, "value": HARMLESS[name]})
    assert not is_forbidden_variable(
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    )


PLAIN = (
    "",
    "UTC",
    "Europe/Berlin",
    "America/Argentina/Buenos_Aires",
    "Etc/GMT+1",
    "CET-1CEST,M3.5.0,M10.5.0/3",
)
PLAIN += ("<+0330>-3:30", "x:y", "C", "C.UTF-8", "de_DE.UTF-8@euro", "x" * LOCALE_VALUE_SIZE)
LEADING = (
    "/x",
    ":/x",
    ":x",
    "../x",
    "a/../x",
    "a//x",
    "a/",
    ".",
    "..",
    "$(X)",
    "a\n",
    "x:/y",
    "a b",
    "\u00e9",
)
LEADING += ("x" * (LOCALE_VALUE_SIZE + 1),)


@pytest.mark.parametrize("name", ["TZ", "LANG", "LC_ALL", "LC_MESSAGES"])
def test_zone_and_locale_stay_if_they_lead_to_no_other_folder(name: str) -> None:
    for value in PLAIN:
        assert not is_forbidden_variable({"name": name, "value": value}), value
    for value in LEADING:
        assert is_forbidden_variable({"name": name, "value": value}), value
    assert not is_forbidden_variable({"name": name})
    assert is_forbidden_variable({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    assert is_forbidden_variable({"name": name, "value": ["UTC"]})
