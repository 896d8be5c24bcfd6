"""The parameters `allowPackages` and `denyPackages`: a text in, patterns of package names out. Pure."""

import re

from sidecar.contract.grant import PACKAGE_PATTERN, PackagePolicy
from webhook.errors import InvalidValue

PARAMETERS = ("allowPackages", "denyPackages")

LENGTH_LIMIT = 4096
"""Characters, as in the schema: three hundred names. A name is matched against all of them in microseconds,
and a pattern with a star covers more names than any list."""

_SEPARATORS = re.compile(r"[,\s]+", re.ASCII)


def parse_patterns(text: str) -> tuple[str, ...]:
    """The patterns, separated by commas or white space, each once; or `InvalidValue`."""
    if len(text) > LENGTH_LIMIT:
        raise InvalidValue(f"has more than {LENGTH_LIMIT} characters", "write patterns such as team-*")
    patterns = tuple(dict.fromkeys(pattern for pattern in _SEPARATORS.split(text) if pattern))
    if not patterns:
        # a template may leave it empty, which could mean no package as well as every package
        raise InvalidValue("is empty", "name packages, or leave it out")
    for pattern in patterns:
        # only the first bad pattern is reported, for the sentence stands in a condition
        if not PACKAGE_PATTERN.fullmatch(pattern):
            raise InvalidValue(*_describe_fault(pattern))
    return patterns


def normalise(name: str) -> str:
    """The normalised name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe(policy: PackagePolicy) -> str:
    """The policy in one line, in the words of the Connector."""
    lists = zip(PARAMETERS, (policy.allow, policy.deny), strict=True)
    return "; ".join(f"{name}: {', '.join(patterns)}" for name, patterns in lists if patterns)


def _describe_fault(pattern: str) -> tuple[str, str]:
    """The fault of a pattern, and its fix. No silent correction: `torch.*` may mean `torch*`."""
    normalised = normalise(pattern).strip("-")
    if PACKAGE_PATTERN.fullmatch(normalised):
        return "must hold normalised names", f"{normalised!r} instead of {pattern!r}"
    sentence = "must hold names of packages, with * for any text and ? for one character, separated by commas"
    return f"{sentence} or spaces, not {pattern!r}", ""
