"""Which packages may pass: patterns against names, both lists, and every way around that a path offers."""

from fnmatch import fnmatchcase
from itertools import product

import pytest

from sidecar.contract.grant import Grant, PackagePolicy
from sidecar.errors import Refusal
from sidecar.rules.layout import Layout
from sidecar.rules.policy import Patterns, Policy
from sidecar.rules.routes import route
from sidecar.rules.scope import check_redirect

MATCHES = [
    ("foo", "foo", True),
    ("foo", "foobar", False),
    ("foo", "barfoo", False),
    ("foo", "fo", False),
    ("foo*", "foo", True),
    ("foo*", "foo-bar", True),
    ("foo-*", "foo", False),
    ("*-internal", "billing-internal", True),
    ("*-internal", "internal", False),
    ("*", "a", True),
    ("?", "a", True),
    ("?", "ab", False),
    ("a?c", "abc", True),
    ("a?c", "a-c", True),
    ("a?c", "ac", False),
    ("?*", "a", True),
    ("*?*?*", "ab", True),
    ("*?*?*", "a", False),
    ("a*b*c", "abc", True),
    ("a*b*c", "a1b2b3c", True),
    ("a*b*c", "acb", False),
    ("**a", "bca", True),
    ("py*3", "py33", True),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), MATCHES)
def test_a_pattern_matches_the_whole_name_or_not_at_all(pattern: str, name: str, expected: bool) -> None:
    assert Patterns([pattern]).find(name) == (pattern if expected else None)


def test_every_short_pattern_says_of_every_short_name_what_a_shell_would_say() -> None:
    patterns = ["".join(one) for size in (1, 2, 3, 4) for one in product("ab*?", repeat=size)]
    names = ["".join(one) for size in (1, 2, 3, 4) for one in product("ab", repeat=size)]
    for pattern in patterns:
        found = Patterns([pattern])
        for name in names:
            assert bool(found.find(name)) is fnmatchcase(name, pattern), (pattern, name)


def test_patterns_beside_one_another_do_not_mix_and_the_first_is_named() -> None:
    patterns = ["ab", "b", "a*c", "*c", "abab", "c?"]
    together = Patterns(patterns)
    for size in (1, 2, 3, 4, 5):
        for letters in product("abc", repeat=size):
            name = "".join(letters)
            expected = next((one for one in patterns if fnmatchcase(name, one)), None)
            assert together.find(name) == expected, name


def test_a_pattern_of_many_stars_does_not_take_the_power_of_their_number() -> None:
    """As a regular expression it would not end in anybody's life."""
    stars = ["*a" * 100 + "*b"] * 20
    assert Patterns(stars).find("a" * 512) is None
    assert Patterns(stars).find("a" * 511 + "b") == stars[0]


def said(policy: PackagePolicy, *projects: str) -> str:
    """The sentence that refuses; empty if all may pass."""
    try:
        Policy(policy).check(projects)
    except Refusal as refusal:
        return f"{refusal.status} {refusal.code}: {refusal.sentence}"
    return ""


def policy(allow: str = "", deny: str = "") -> PackagePolicy:
    return PackagePolicy("team/pypi", tuple(allow.split()), tuple(deny.split()))


@pytest.mark.parametrize(
    ("rules", "project", "sentence"),
    [
        (policy(deny="foo*"), "foo", 'package "foo" is denied by connector team/pypi (denyPackages: foo*)'),
        (policy(deny="x *-y"), "a-y", 'package "a-y" is denied by connector team/pypi (denyPackages: *-y)'),
        (policy(deny="foo*"), "bar", ""),
        (policy(allow="foo bar-*"), "foo", ""),
        (policy(allow="foo bar-*"), "bar-baz", ""),
        (
            policy(allow="foo bar-*"),
            "baz",
            'package "baz" is not allowed by connector team/pypi (allowPackages: foo, bar-*)',
        ),
        (
            policy(allow="a b c d e f g"),
            "baz",
            'package "baz" is not allowed by connector team/pypi (allowPackages: a, b, c, d, e and 2 more)',
        ),
        (
            policy(allow="*", deny="foo"),
            "foo",
            'package "foo" is denied by connector team/pypi (denyPackages: foo)',
        ),
        (policy(allow="foo", deny="foo-*"), "foo", ""),
    ],
)
def test_what_is_denied_is_denied_and_beside_that_only_what_is_allowed_passes(
    rules: PackagePolicy, project: str, sentence: str
) -> None:
    assert said(rules, project) == (sentence and f"403 package-denied: {sentence}")


def test_of_several_readings_all_must_pass() -> None:
    assert said(policy(allow="foo foo-1"), "foo", "foo-1") == ""
    assert '"foo-1" is not allowed' in said(policy(allow="foo"), "foo", "foo-1")
    assert '"foo-1" is denied' in said(policy(deny="foo-1"), "foo", "foo-1")


GRANT = Grant(
    version="1",
    index_url="https://registry.example/pypi/simple/",
    upload_url="https://registry.example/upload/",
    file_origins=("https://files.example",),
    ca=None,
    credential=None,
    soft_seconds=300.0,
    hard_seconds=3600.0,
    broker_ca=(),
    packages=policy(allow="good* py-3-compat evil-twin foo-bar", deny="evil*"),
    address="https://registry.example/",
)
LAYOUTS = {
    "below": Layout.of(GRANT),
    "at the alias": Layout.of(GRANT._replace(index_url="https://registry.example/simple/")),
    "at the root": Layout.of(GRANT._replace(index_url="https://registry.example/")),
}
LAYOUT = LAYOUTS["below"]

# each with the project that it is refused for; `evil` is denied, `other` not allowed
WAYS = {
    "/simple/evil/": "evil",
    "/simple/evil": "evil",
    "/simple/EviL/": "evil",
    "/simple/evil_._twin/": "evil-twin",
    "/simple/%65vil/": "evil",
    "/simple/evil%2Dtwin/": "evil-twin",
    "/simple/evil/?format=json": "evil",
    "/simple/other/": "other",
    "/p/evil-1.0-py3-none-any.whl": "evil",
    "/p/Evil_Twin-1.0-py3-none-any.whl": "evil-twin",
    "/p/%65vil-1.0-py3-none-any.whl": "evil",
    "/p/evil-1.0-py3-none-any.whl.metadata": "evil",
    "/p/evil-1.0-py3-none-any.whl.provenance": "evil",
    "/p/evil-1.0.tar.gz": "evil",
    "/p/evil-1.0.tar.gz.asc": "evil",
    "/p/evil.twin-1.0.zip": "evil-twin",
    "/p/other-1.0.zip": "other",
    "/p/good-1.0/other-1.0.zip": "other",
    "/simple/good/evil-1.0.zip": "evil",
    "/evil-1.0.zip?name=good-1.0.zip": "evil",
    "/_o/files.example/p/evil-1.0-py3-none-any.whl": "evil",
    "/_o/files.example/p/evil-1.0.zip.metadata": "evil",
    "/_o/files.example/good/other-1.0.zip": "other",
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize(("target", "project"), WAYS.items(), ids=WAYS.keys())
def test_no_spelling_and_no_kind_of_path_goes_round_it(
    target: str, project: str, layout: Layout, method: str
) -> None:
    chosen = layout
    if target.startswith("/simple/good/") and layout.index_path != "/simple/":
        target = route(
            method, target, layout
        ).url  # the alias leads to the index, where the file is looked at
    with pytest.raises(Refusal, match=rf'^package "{project}" is ') as caught:
        route(method, target, chosen)
    assert (caught.value.status, caught.value.code) == (403, "package-denied")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize(
    "target",
    [
        "/simple/",  # names alone
        "/simple/good/",
        "/simple/Good.Enough/",
        "/p/good-1.0-py3-none-any.whl",
        "/p/good_enough-1.0-1-py3-none-any.whl.metadata",
        "/p/good-1.0.tar.gz",
        "/p/evil/good-1.0.tar.gz",  # folders are the registry's own
        "/_o/files.example/evil/good-1.0.zip",
    ],
)
def test_what_is_allowed_passes(target: str, layout: Layout) -> None:
    assert route("GET", target, layout).action in ("index", "file", "redirect")


def test_uploads_are_not_looked_at() -> None:
    assert route("POST", "/", LAYOUT).action == "upload"


AMBIGUOUS = {
    "py-3-compat-1.0.tar.gz": "py",  # the other reading, py-3-compat, is allowed
    "good-1.0+x-py3-none-any.whl": None,
    "good-1.0-2.tar.gz": None,  # good, or good-1-0: both are good*
    "foo-bar-1.0-py3-none-any.whl": "foo",  # a wheel that PEP 427 reads as foo, of version bar
    "good-evil-1.0-py3-none-any.whl": None,
}


@pytest.mark.parametrize(("file", "project"), AMBIGUOUS.items())
def test_a_file_that_can_be_read_in_two_ways_passes_if_both_may(file: str, project: str | None) -> None:
    if project is None:
        assert route("GET", f"/p/{file}", LAYOUT).action == "file"
        return
    with pytest.raises(Refusal, match=rf'^package "{project}" is '):
        route("GET", f"/p/{file}", LAYOUT)


@pytest.mark.parametrize(
    ("file", "denied"),
    [
        ("evil-1-2.zip", "evil"),
        ("evil-1-2.zip", "evil-1"),
        ("evil-1.0-py-3.zip.asc", "evil-1-0-py"),
        ("evil-twin-1.0-py3-none-any.whl", "evil-twin"),
    ],
)
def test_no_reading_hides_a_denied_one(file: str, denied: str) -> None:
    layout = Layout.of(GRANT._replace(packages=policy(deny=denied)))
    with pytest.raises(Refusal, match=f'^package "{denied}" is denied'):
        route("GET", f"/p/{file}", layout)


OWN = "https://registry.example"
REDIRECTS = {
    f"{OWN}/pypi/simple/evil/": "evil",
    f"{OWN}/pypi/simple/evil": "evil",
    f"{OWN}/pypi/simple/other/": "other",
    f"{OWN}/pypi/simple/other/?a=b": "other",
    f"{OWN}/pypi/simple/good/%2e%2e/other/": "other",
    f"{OWN}:443/pypi/simple/other/": "other",
    f"{OWN}/files/evil-1.0.zip": "evil",
    f"{OWN}/files/other-1.0-py3-none-any.whl?sig=x": "other",
    "https://files.example/p/other-1.0.zip": "other",
    "https://storage.example/bucket/other-1.0.zip?X-Amz-Signature=x": "other",
    "https://files.example/content/evil/": "evil",
}


@pytest.mark.parametrize("is_page", [True, False], ids=["page", "file"])
@pytest.mark.parametrize(("url", "project"), REDIRECTS.items(), ids=REDIRECTS.keys())
def test_a_redirect_to_another_project_is_not_followed(url: str, project: str, is_page: bool) -> None:
    if not is_page and url.endswith("/content/evil/"):
        check_redirect(url, LAYOUT, is_page=False)  # a file's place: any words
        return
    with pytest.raises(Refusal, match=rf'^package "{project}" is '):
        check_redirect(url, LAYOUT, is_page=is_page)


@pytest.mark.parametrize(
    "url",
    [
        f"{OWN}/pypi/simple/",
        f"{OWN}/pypi/simple/good/",
        f"{OWN}/pypi/simple/good-enough",
        f"{OWN}/files/good-1.0.zip",
        "https://files.example/content/main/good/",
        "https://files.example/content/main/good/index.html",
        "https://storage.example/bucket/0123abcd?X-Amz-Signature=x",
        "https://files.example/p/good-1.0.zip",
    ],
)
@pytest.mark.parametrize("is_page", [True, False], ids=["page", "file"])
def test_a_redirect_within_a_project_is_followed(url: str, is_page: bool) -> None:
    check_redirect(url, LAYOUT, is_page=is_page)


def test_what_is_no_index_may_name_its_pages_as_it_likes() -> None:
    """Also where the index is all of the registry's own host."""
    check_redirect("https://files.example/main/good/latest/", LAYOUTS["at the root"], is_page=True)
    with pytest.raises(Refusal, match='package "latest" is not allowed'):
        check_redirect(f"{OWN}/latest/", LAYOUTS["at the root"], is_page=True)


def test_without_a_policy_everything_passes() -> None:
    layout = Layout.of(GRANT._replace(packages=None))
    for url in REDIRECTS:
        check_redirect(url, layout, is_page=True)
    for target in WAYS:
        route("GET", target, layout)
