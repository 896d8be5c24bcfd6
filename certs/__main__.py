"""Command line that creates the first certificates: `python -m certs --out DIR | --secret NAME …`."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from certs import store
from certs.authority import (
    AUTHORITY_LIFE,
    LEAF_LIFE,
    KeyPair,
    ServingFiles,
    create_authority,
    issue_leaf,
)
from certs.errors import CertificateError
from certs.hosts import is_label, service_hosts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    chosen = parser.parse_args(arguments)
    hosts = list(chosen.host)
    if chosen.service:
        hosts += service_hosts(chosen.service, chosen.namespace)
    if not hosts:
        parser.error("name what the certificate is for: --service NAME, or --host NAME once or more")
    now = datetime.now(UTC)
    try:
        authority = _authority(chosen.authority, now)
        leaf = issue_leaf(authority, hosts, now, life=timedelta(days=chosen.days))
        files = ServingFiles(authority.certificate, leaf.certificate, leaf.key)
        if chosen.out:
            store.write_files(chosen.out, files)
            sys.stdout.write(f"{store.BUNDLE}, {store.CERTIFICATE} and {store.KEY} are in {chosen.out}\n")
        else:
            secret = store.to_secret(files, name=chosen.secret, namespace=chosen.namespace)
            sys.stdout.write(yaml.safe_dump(secret, sort_keys=False))
    except CertificateError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{error.filename} cannot be written: {error.strerror}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m certs",
        description="Create an authority and a server certificate: as files, or as a Secret on stdout.",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="DIR", help="write ca.crt, tls.crt and tls.key there")
    target.add_argument("--secret", type=_label, metavar="NAME", help="print a Secret of this name")
    parser.add_argument("--service", type=_label, metavar="NAME", help="the Service that is served")
    parser.add_argument("--namespace", type=_label, default="pypi-connector-system", metavar="NS")
    parser.add_argument("--host", action="append", default=[], help="a further DNS name or IP address")
    parser.add_argument("--days", type=_days, default=LEAF_LIFE.days, help="life of the certificate")
    parser.add_argument(
        "--authority",
        type=Path,
        metavar="DIR",
        help="keep the authority there and use it again; without it, its key is forgotten at once",
    )
    return parser


def _label(text: str) -> str:
    if not is_label(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a DNS label (RFC 1123)")
    return text


def _days(text: str) -> int:
    longest = AUTHORITY_LIFE.days
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= longest):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {longest}, not {text!r}")
    return int(text)


def _authority(directory: Path | None, now: datetime) -> KeyPair:
    """The authority in `directory`, which the first run creates there."""
    if directory is None:
        return create_authority(now)
    if (directory / store.KEY).exists():
        files = store.read_files(directory)
        return KeyPair(files.certificate, files.key)
    authority = create_authority(now)
    store.write_files(directory, ServingFiles(authority.certificate, authority.certificate, authority.key))
    return authority


if __name__ == "__main__":
    sys.exit(main())
