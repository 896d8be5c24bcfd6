"""The command line: arguments in, one command, exit code out. 2 means that the input cannot be used."""

import argparse
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from certs.errors import CertificateError
from webhook.command.check import check
from webhook.command.inject import (
    inject_files,
    offline_settings,
    print_decisions,
    print_diff,
    print_stream,
)
from webhook.command.local_proxy import ProxyFailed
from webhook.command.manifests import DEFAULT_NAMESPACE, choose, load, resolve
from webhook.command.run import run_command
from webhook.connector.registry import RegistryAccess
from webhook.console import Console, standard_error, standard_output
from webhook.errors import ConnectorsError, InputError, Problem
from webhook.pod.reasons import UNUSABLE

DONE, NOT_READY, BAD_INPUT = 0, 1, 2


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """One command line, without the program's name. Never raises but for faults of our own."""
    errors = standard_error(environment)
    given = _parser().parse_args(arguments)
    try:
        code: int = given.handler(given, environment, errors)
    except InputError as error:
        for problem in error.problems:
            errors.line(f"pypi-connector: {problem.message}", "red")
        return BAD_INPUT
    except ProxyFailed as error:
        errors.line(f"pypi-connector: {error}", "red")
        return BAD_INPUT
    except (ConnectorsError, CertificateError) as error:
        errors.line(f"pypi-connector: {error}", "red")
        return NOT_READY
    return code


def _run(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not command:
        raise InputError.of("CommandMissing", "give a command after --, such as: -- pip install flask")
    documents = load(given.files)
    registry = resolve(documents, choose(documents, given.connector), insecure_allowed=True)
    return run_command(command, registry, environment, errors, port=given.port, is_verbose=given.verbose)


def _inject(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    connectors = load(given.files, default_namespace=given.namespace or DEFAULT_NAMESPACE)
    settings = offline_settings(given.image)
    documents = inject_files(given.pods, connectors, settings, namespace=given.namespace)
    print_decisions(documents, errors)
    refused = [
        decision.reason
        for document in documents
        for _, decision in document.decisions
        if not decision.allowed
    ]
    if refused:
        return BAD_INPUT if any(reason in UNUSABLE for reason in refused) else NOT_READY
    show = print_diff if given.diff else print_stream
    show(documents, standard_output(environment))
    return DONE


def _check(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    documents = load(given.files)
    wanted = [choose(documents, given.connector)] if given.connector else sorted(documents.connectors)
    if not wanted:
        choose(documents, None)
    registries: list[RegistryAccess] = []
    problems: list[Problem] = []
    for key in wanted:
        try:
            registries.append(resolve(documents, key, insecure_allowed=True))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    out = standard_output(environment)
    ready = [check(registry, out) for registry in registries]
    return DONE if all(ready) else NOT_READY


def _explain(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    from webhook.explain.command import explain_pod  # the API's client takes half a second to import

    out = standard_output(environment)
    is_served = explain_pod(environment, given.namespace, given.pod, context=given.context, console=out)
    return DONE if is_served else NOT_READY


def _demo(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    try:
        from webhook.demo.story import tell
    except ModuleNotFoundError as error:  # an extra of its own, and no part of the image
        sentence = f"the demo is not installed ({error.name} is missing): run `make demo` in a checkout"
        raise InputError.of("ProgramMissing", sentence) from None
    return tell(standard_output(environment), isolate=not given.no_isolation)


def _admission(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    from webhook.server.admission_process import run_admission  # its packages take half a second to import

    run_admission(environment)
    return DONE


def _broker(given: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    from webhook.server.broker_process import run_broker

    run_broker(environment)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pypi-connector",
        description="Use a private PyPI registry without holding its credentials.",
    )
    parser.add_argument("--version", action="version", version=f"pypi-connector {version('pypi-connector')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run_parser = commands.add_parser(
        "run",
        help="run a command whose pip, uv and twine use the registry",
        usage="pypi-connector run -f FILE... [--connector NAME] [--port N] [-v] -- COMMAND...",
    )
    _add_files(run_parser)
    run_parser.add_argument("--connector", metavar="NAME", help="which one, if the files hold several")
    run_parser.add_argument("--port", type=_port, metavar="N", help="loopback port (default: a free one)")
    run_parser.add_argument("-v", "--verbose", action="store_true", help="print a line for each request")
    run_parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    run_parser.set_defaults(handler=_run)

    inject_parser = commands.add_parser("inject", help="print manifests as admission would change their Pods")
    _add_files(inject_parser)
    inject_parser.add_argument("--namespace", "-n", metavar="NS", help="the Pod's namespace")
    inject_parser.add_argument("--image", metavar="IMAGE", help="the sidecar's image")
    inject_parser.add_argument("--diff", action="store_true", help="print what changes")
    inject_parser.add_argument(
        "pods",
        nargs="+",
        metavar="POD.yaml",
        help="Pods, and objects with a Pod template; other documents are printed as they are",
    )
    inject_parser.set_defaults(handler=_inject)

    check_parser = commands.add_parser("check", help="ask the registry, print the Connector's conditions")
    _add_files(check_parser)
    check_parser.add_argument("--connector", metavar="NAME", help="only this one")
    check_parser.set_defaults(handler=_check)

    explain_parser = commands.add_parser("explain", help="say why a Pod is, or is not, served")
    explain_parser.add_argument("--namespace", "-n", metavar="NS", help="default: that of the context")
    explain_parser.add_argument("--context", metavar="CONTEXT", help="of the kubeconfig")
    explain_parser.add_argument("pod", metavar="POD", help="a Pod, or what makes Pods, as job/NAME")
    explain_parser.set_defaults(handler=_explain)

    demo_parser = commands.add_parser("demo", help="the main job on a registry of its own")
    demo_parser.add_argument("--no-isolation", action="store_true", help="no user namespaces, prefixed paths")
    demo_parser.set_defaults(handler=_demo)

    # what the images run; settings come from WEBHOOK_* (docs/install.md)
    commands.add_parser("admission", help="serve the admission webhook").set_defaults(handler=_admission)
    commands.add_parser("broker", help="serve grants, keep certificates and status").set_defaults(
        handler=_broker
    )
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f",
        "--file",
        dest="files",
        action="append",
        required=True,
        metavar="FILE",
        help="manifests of Connectors and their Secrets; may be repeated, - is standard input",
    )


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"must be a number from 1 to 65535, not {text!r}")
    return int(text)
