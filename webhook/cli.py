"""The command line: it runs a command and returns the exit code. 2 means that the input cannot be used."""

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
from webhook.command.manifests import DEFAULT_NAMESPACE, Manifests, choose, choose_in_order, load, resolve
from webhook.command.run import run_command
from webhook.connector.description import described
from webhook.connector.registry import RegistryAccess
from webhook.console import Console, standard_error, standard_output
from webhook.errors import ConnectorsError, InputError
from webhook.identifiers import ConnectorKey
from webhook.pod.reasons import UNUSABLE
from webhook.problems import Problems

DONE, NOT_READY, BAD_INPUT = 0, 1, 2


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command; `arguments` are without the program's name. An exception is a bug."""
    errors = standard_error(environment)
    options = _parser().parse_args(arguments)
    try:
        code: int = options.handler(options, environment, errors)
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


def _run(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise InputError.of("CommandMissing", "give a command after --, such as: -- pip install flask")
    manifests = load(options.files)
    keys = choose_in_order(manifests, options.connector)
    registries = _resolve_all(manifests, keys)
    return run_command(
        command, registries, environment, errors, port=options.port, is_verbose=options.verbose
    )


def _inject(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    manifests = load(options.files, default_namespace=options.namespace or DEFAULT_NAMESPACE)
    settings = offline_settings(options.image)
    documents = inject_files(options.pods, manifests, settings, namespace=options.namespace)
    print_decisions(documents, errors)
    refused = [
        decision.reason
        for document in documents
        for _, decision in document.decisions
        if not decision.allowed
    ]
    if refused:
        return BAD_INPUT if any(reason in UNUSABLE for reason in refused) else NOT_READY
    show = print_diff if options.diff else print_stream
    show(documents, standard_output(environment))
    return DONE


def _check(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    manifests = load(options.files)
    keys = [choose(manifests, options.connector)] if options.connector else sorted(manifests.connectors)
    if not keys:
        choose(manifests, None)  # raises: there is no Connector
    registries = _resolve_all(manifests, keys)
    out = standard_output(environment)
    ready = [
        check(registry, environment, out, described(manifests.connectors[registry.connector.key]))
        for registry in registries
    ]
    return DONE if all(ready) else NOT_READY


def _resolve_all(manifests: Manifests, keys: Sequence[ConnectorKey]) -> list[RegistryAccess]:
    """`InputError` has the problems of all of them."""
    registries: list[RegistryAccess] = []
    problems = Problems()
    for key in keys:
        with problems.collecting():
            registries.append(resolve(manifests, key, insecure_allowed=True))
    problems.raise_any()
    return registries


def _explain(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    from webhook.explain.command import explain_pod  # the API's client takes half a second to import

    out = standard_output(environment)
    is_served = explain_pod(environment, options.namespace, options.pod, context=options.context, console=out)
    return DONE if is_served else NOT_READY


def _configure(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    from webhook.command.configure import Wish, configure  # as for `explain`
    from webhook.command.gateway_token import parse_duration

    wish = Wish(
        connector=options.connector,
        namespace=options.namespace,
        service_account=options.service_account,
        seconds=parse_duration(options.duration),
        url=options.url,
        files=[options.file] if options.file else (),
        folder=options.output,
        is_forced=options.force,
        context=options.context,
    )
    configure(wish, environment, standard_output(environment), errors)
    return DONE


def _demo(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    try:
        from webhook.demo.story import run_demo
    except ModuleNotFoundError as error:  # an extra of its own, and no part of the image
        sentence = f"the demo is not installed ({error.name} is missing): run `make demo` in a checkout"
        raise InputError.of("ProgramMissing", sentence) from None
    return run_demo(standard_output(environment), isolate=not options.no_isolation)


def _admission(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
    from webhook.server.admission_process import run_admission  # its packages take half a second to import

    run_admission(environment)
    return DONE


def _broker(options: argparse.Namespace, environment: Mapping[str, str], errors: Console) -> int:
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
    run_usage = "pypi-connector run -f FILE... [--connector NAME,...] [--port N] [-v] -- COMMAND..."
    run_help = "run a command whose pip, uv and twine use the registry"
    _add_run_options(commands.add_parser("run", help=run_help, usage=run_usage))
    inject_help = "print manifests as admission would change their Pods"
    _add_inject_options(commands.add_parser("inject", help=inject_help))
    check_help = "ask the registry, print the Connector's conditions"
    _add_check_options(commands.add_parser("check", help=check_help))
    explain_help = "say why a Pod is, or is not, served"
    _add_explain_options(commands.add_parser("explain", help=explain_help))
    configure_help = "write pip.conf and .pypirc for a client of the gateway"
    _add_configure_options(commands.add_parser("configure", help=configure_help))
    demo = commands.add_parser("demo", help="the main job on a registry of its own")
    demo.add_argument("--no-isolation", action="store_true", help="no user namespaces, prefixed paths")
    demo.set_defaults(handler=_demo)

    # the images run these; settings come from WEBHOOK_* (docs/install.md)
    admission = commands.add_parser("admission", help="serve the admission webhook")
    admission.set_defaults(handler=_admission)
    broker = commands.add_parser("broker", help="serve grants, keep certificates and status")
    broker.set_defaults(handler=_broker)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    connector_help = "which one, if the files hold several; a comma list is an order to look in"
    parser.add_argument("--connector", metavar="NAME,...", help=connector_help)
    parser.add_argument("--port", type=_port, metavar="N", help="loopback port (default: a free one)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print a line for each request")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    parser.set_defaults(handler=_run)


def _add_inject_options(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    parser.add_argument("--namespace", "-n", metavar="NS", help="the namespace of the Pods")
    parser.add_argument("--image", metavar="IMAGE", help="the sidecar's image")
    parser.add_argument("--diff", action="store_true", help="print what changes")
    parser.add_argument(
        "pods",
        nargs="+",
        metavar="POD.yaml",
        help="Pods, and objects with a Pod template; other documents are printed as they are",
    )
    parser.set_defaults(handler=_inject)


def _add_check_options(parser: argparse.ArgumentParser) -> None:
    _add_files(parser)
    parser.add_argument("--connector", metavar="NAME", help="only this one")
    parser.set_defaults(handler=_check)


def _add_explain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--namespace", "-n", metavar="NS", help="default: that of the context")
    parser.add_argument("--context", metavar="CONTEXT", help="of the kubeconfig")
    parser.add_argument("pod", metavar="POD", help="a Pod, or what makes Pods, as job/NAME")
    parser.set_defaults(handler=_explain)


def _add_configure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--namespace", "-n", metavar="NS", help="the ServiceAccount's; default: the context's"
    )
    parser.add_argument("--context", metavar="CONTEXT", help="of the kubeconfig")
    parser.add_argument("--service-account", default="default", metavar="SA", help="whose token (default)")
    parser.add_argument("--duration", default="1h", metavar="TIME", help="life of the token, such as 8h")
    parser.add_argument("--url", metavar="URL", help="the gateway's, such as that of an Ingress")
    file_help = "only this one: pip.conf, .pypirc, uv.toml, or a file of the Connector's class"
    parser.add_argument("--file", metavar="NAME", help=file_help)
    parser.add_argument("--output", metavar="DIR", help="write the files there; default: print them")
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    parser.add_argument("connector", metavar="CONNECTOR", help="NAME, or NAMESPACE/NAME")
    parser.set_defaults(handler=_configure)


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
