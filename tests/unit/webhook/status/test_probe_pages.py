"""Probes of servers that answer with pages: of an index, or of a web interface, whole and in part."""

import time

import pytest

from support.components.probes import CANARY_PAGE, INDEX, PAGE, PATIENCE_SECONDS, answer, at, look
from support.machine.times import soon
from support.servers.registry import Call, Registry, Script
from webhook.connector.conditions import Probe

NO_INDEX = "status code 200, but no package index: "
WEB = "; spec.address is probably that of a web interface"
HTML_PAGE = f"{NO_INDEX}an HTML page without links to packages"


@pytest.mark.parametrize(
    ("start", "outcome"), [(CANARY_PAGE, "ok"), (b"x", "foreign"), (b"<title>Links for x</title>", "ok")]
)
def test_of_an_endless_body_only_the_beginning_is_read(start: bytes, outcome: str) -> None:
    def pour(call: Call) -> None:
        call.start(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
        call.send_chunk(start)
        while True:
            call.send_chunk(b"x" * 65536)

    with Registry() as registry:
        registry.on("*", pour)
        with soon():
            assert look(at(registry)).outcome == outcome
            assert registry.gone.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_a_body_that_hangs_or_trickles_is_judged_by_its_beginning(seconds: float) -> None:
    """A cold registry sends the head of a page at once, and the rest after a minute."""

    def begin(call: Call) -> None:
        call.start(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
        call.send_chunk(CANARY_PAGE)
        while seconds:
            call.send_chunk(b" ")
            time.sleep(seconds)
        call.wait_gone(PATIENCE_SECONDS)

    with Registry() as registry:
        registry.on("*", begin)
        assert look(at(registry)).outcome == "ok"
        assert [request.target for request in registry.requests] == [PAGE]


def test_a_body_that_breaks_off_is_judged_by_its_beginning() -> None:
    def break_off(call: Call) -> None:
        call.start(200, {"Content-Type": "text/html", "Content-Length": "100000"})
        call.send(CANARY_PAGE)
        call.cut()

    with Registry() as registry:
        registry.on("*", break_off)
        assert look(at(registry)).outcome == "ok"


# -- what is no index


SIGN_IN = (
    b"<!doctype html><html><head><title>canary sign in</title></head><body><div id=app></div></body></html>"
)


def page(body: bytes) -> Script:
    return lambda call: call.reply(200, body, {"Content-Type": "text/html; charset=utf-8"})


def test_a_server_that_answers_each_path_with_a_sign_in_page_is_no_index() -> None:
    with Registry() as registry:
        registry.on("*", page(SIGN_IN))
        assert look(at(registry), canary_in_cause=True) == Probe("foreign", f"{NO_INDEX}a sign-in page{WEB}")
        assert [request.target for request in registry.requests] == [PAGE, INDEX]


@pytest.mark.parametrize(
    ("of_package", "of_index", "expected"),
    [
        (page(SIGN_IN), answer(200), "ok"),  # an application answers what is not there
        (page(b""), answer(200), "ok"),
        (page(b""), page(b""), "ok"),
        (page(b""), answer(404), "ok"),
        (page(b""), answer(401), "refused"),
        (page(b""), page(SIGN_IN), "foreign"),
        (answer(404), page(SIGN_IN), "foreign"),
        (answer(404), page(b""), "ok"),
        (answer(404), answer(404), "unexpected"),
        (page(SIGN_IN), answer(404), "foreign"),
        (page(SIGN_IN), answer(500), "foreign"),
        (page(SIGN_IN), answer(403), "refused"),
        (answer(200), page(SIGN_IN), "ok"),
        (answer(302, Location="/login?next=/simple/"), answer(404), "foreign"),
        (answer(404), answer(302, Location="https://sso.test/"), "foreign"),
    ],
)
def test_the_page_of_a_package_and_the_index_decide_together(
    of_package: Script, of_index: Script, expected: str
) -> None:
    with Registry() as registry:
        registry.on(PAGE, of_package)
        registry.on(INDEX, of_index)
        assert look(at(registry), canary_in_cause=True).outcome == expected


def test_the_title_of_a_foreign_page_is_for_check_and_not_for_the_status() -> None:
    """The status must not reveal the network around the broker."""
    hostile = b"<title>\x1b[31mDr\xc3\xb6hn &lt;b&gt; \xe2\x80\xae" + b"x" * 500 + b"</title><p>Hello</p>"
    with Registry() as registry:
        registry.on("*", page(hostile))
        seen = look(at(registry))
    assert seen == Probe("foreign", HTML_PAGE + WEB)
    assert seen.cause.startswith(f'{HTML_PAGE}, entitled "\\x1b[31mDröhn <b> \\u202ex')
    assert len(seen.cause) < len(HTML_PAGE + WEB) + 80


@pytest.mark.parametrize("secret", ["robot", "canary-password"])
def test_a_title_that_holds_the_credential_is_shown_to_nobody(secret: str) -> None:
    with Registry() as registry:
        registry.on("*", page(f"<title>Welcome, {secret}</title><p>Hello</p>".encode()))
        seen = look(at(registry))
    assert (seen, seen.cause) == (Probe("foreign", HTML_PAGE + WEB), "")


# -- codings


@pytest.mark.parametrize(
    ("coding", "what"),
    [
        ("br", "in a coding that was not asked for: br"),
        ("gzip, zstd", "in a coding that was not asked for: gzip, zstd"),
        ("gzip", "no valid gzip"),
    ],
)
def test_a_page_that_the_sidecar_cannot_unpack_is_not_ready(coding: str, what: str) -> None:
    with Registry() as registry:
        registry.on("*", answer(200, **{"Content-Encoding": coding}))
        expected = Probe("unservable", f"status code 200, but Pods get 502: the index page is {what}")
        assert look(at(registry)) == expected
        assert [request.target for request in registry.requests] == [PAGE]


@pytest.mark.parametrize("coding", ["aws-chunked", "none", "identity"])
def test_a_coding_that_is_none_hides_no_page(coding: str) -> None:
    with Registry() as registry:
        headers = {"Content-Type": "text/html", "Content-Encoding": coding}
        registry.on("*", lambda call: call.reply(200, SIGN_IN, headers))
        assert look(at(registry), canary_in_cause=True).outcome == "foreign"
        registry.on("*", answer(200, **{"Content-Encoding": coding}))
        assert look(at(registry)).outcome == "ok"


@pytest.mark.parametrize(("body", "outcome"), [(CANARY_PAGE, "ok"), (SIGN_IN, "foreign")])
def test_a_page_that_a_proxy_has_changed_is_a_page(body: bytes, outcome: str) -> None:
    """RFC 9110 §15.3.4. The sidecar serves it."""
    with Registry() as registry:
        registry.on("*", lambda call: call.reply(203, body, {"Content-Type": "text/html"}))
        assert look(at(registry), canary_in_cause=True).outcome == outcome
