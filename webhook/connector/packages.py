"""The parameters `allowPackages` and `denyPackages`: a text in, patterns of package names out. Pure."""

import re

from sidecar.contract.grant import PACKAGE_PATTERN, PackagePolicy
from webhook.connector.address import Wrong

PARAMETERS = ("allowPackages", "denyPackages")

LENGTH_LIMIT = 4096
"""Characters, as in the schema: three hundred names. A name is matched against all of them in microseconds,
and there is room for more in a pattern with a star than in any list."""

_SEPARATORS = re.compile(r"[,\s]+", re.ASCII)


def parse_patterns(text: str, name: str, wrong: Wrong) -> tuple[str, ...]:
    """The patterns of the parameter `name`, separated by commas or white space."""
    found = tuple(dict.fromkeys(one for one in _SEPARATORS.split(text) if one))
    sentence = None
    if len(text) > LENGTH_LIMIT:
        sentence = f"has more than {LENGTH_LIMIT} characters: write patterns such as team-*"
    elif not found:
        # a template may leave it so, and would mean none as likely as all
        sentence = "is empty: name packages, or leave it out"
    else:
        # one at a time: the sentence stands in a condition
        strange = next((one for one in found if not PACKAGE_PATTERN.fullmatch(one)), None)
        sentence = strange and _reproach(strange)
    if sentence:
        wrong("InvalidParameter", f"spec.params {name}", sentence)
        return ()
    return found


def normalise(name: str) -> str:
    """The normalised name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe(policy: PackagePolicy) -> str:
    """In one line, as the Connector has it."""
    lists = zip(PARAMETERS, (policy.allow, policy.deny), strict=True)
    return "; ".join(f"{name}: {', '.join(patterns)}" for name, patterns in lists if patterns)


def _reproach(pattern: str) -> str:
    """What is wrong with a pattern. It is not mended silently: by `torch.*` somebody means `torch*`."""
    normalised = normalise(pattern).strip("-")
    if PACKAGE_PATTERN.fullmatch(normalised):
        return f"must hold normalised names: {normalised!r} instead of {pattern!r}"
    return (
        "must hold names of packages, with * for any text and ? for one character, separated by commas or "
        f"spaces, not {pattern!r}"
    )
