"""Forms of uploads: the same however they arrive, refused where a reader could see another action."""

from collections.abc import Iterable

import pytest

from sidecar.http.multipart import HEAD_LIMIT, PART_LIMIT, FormReader, MalformedForm, boundary_of
from support.sidecars.raw_heads import single_octets

B = b"b0"
FILE = b'Content-Disposition: form-data; name="content"; filename="foo-1.0-py3-none-any.whl"'
ACTION = b'Content-Disposition: form-data; name=":action"'
NAME = b'Content-Disposition: form-data; name="name"'


def part(head: bytes, value: bytes) -> bytes:
    return b"--b0\r\n" + head + b"\r\n\r\n" + value + b"\r\n"


THE_ACTION = part(ACTION, b"file_upload")
END = b"--b0--\r\n"
CONTENT = b"\0\r\n-\r\n--\r\n--b\r\r\n--\xff\r\n--b1\n--B0 --b"
FORM = (
    THE_ACTION + part(NAME, b"") + part(FILE + b"\r\nContent-Type: application/octet-stream", CONTENT) + END
)


def passed(pieces: Iterable[bytes]) -> bytes:
    """The bytes that reach the registry. Raises MalformedForm, with the bytes until then."""
    reader, came = FormReader(B), b""
    try:
        for piece in pieces:
            came += reader.feed(memoryview(piece))
        return came + reader.finish()
    except MalformedForm as error:
        error.args = (came,)
        raise


def refused(body: bytes) -> bytes:
    """The bytes that reach the registry before the form is refused; the most of all cuts."""
    most = b""
    for pieces in ([body], single_octets(body), *([body[:at], body[at:]] for at in range(1, len(body)))):
        with pytest.raises(MalformedForm) as caught:
            passed(pieces)
        most = max(most, caught.value.args[0], key=len)
    return most


def test_a_form_passes_unchanged_at_every_cut() -> None:
    assert passed([FORM]) == passed(single_octets(FORM)) == FORM
    for at in range(len(FORM)):
        assert passed([FORM[:at], FORM[at:]]) == FORM


def test_a_file_that_looks_like_delimiters_passes_at_every_two_cuts() -> None:
    for first in range(len(FORM) - 60, len(FORM)):
        for second in range(first, len(FORM)):
            assert passed([FORM[:first], FORM[first:second], FORM[second:]]) == FORM


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + FORM,  # distutils
        FORM.removesuffix(b"\r\n"),
        part(NAME, b"x") + THE_ACTION + END,
        part(ACTION + b"\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit",
             b"file_upload") + part(FILE, b"x") + END,
        part(b'content-disposition:form-data;name="content";filename="a.zip"', b"x") + THE_ACTION + END,
    ],
)  # fmt: skip
def test_forms_of_clients_pass(body: bytes) -> None:
    assert passed([body]) == passed(single_octets(body)) == body


def test_nothing_of_a_part_passes_before_its_head_is_seen_and_no_end_before_the_end() -> None:
    reader, came = FormReader(B), b""
    for octet in single_octets(FORM):
        came += reader.feed(octet)
        tail = came.rpartition(b"--b0\r\n")[2]
        assert not came or b"\r\n\r\n" in tail
        assert b":action" not in came or b"file_upload" in came
    assert came == FORM[: -len(b"\r\n--b0--\r\n")]
    assert reader.finish() == b"\r\n--b0--\r\n"


def test_a_file_passes_without_being_copied_or_held() -> None:
    reader = FormReader(B)
    reader.feed(FORM[: -len(CONTENT + END) - 2])
    piece = memoryview(bytearray(b"x" * 1000))
    sent = reader.feed(piece)
    assert isinstance(sent, memoryview)
    assert sent.obj is piece.obj
    assert len(sent) == 1000


OTHER_ACTIONS = {
    "another action": part(ACTION, b"remove_pkg"),
    "a longer action": part(ACTION, b"file_upload2"),
    "an action with a line": part(ACTION, b"file_upload\r\n"),
    "a shorter action": part(ACTION, b"file_uploa"),
    "an action in capitals": part(ACTION, b"FILE_UPLOAD"),
    "no value": part(ACTION, b""),
    "a second action": THE_ACTION + part(ACTION, b"remove_pkg"),
    "the action twice": THE_ACTION + THE_ACTION,
    "a file named :action": part(ACTION + b'; filename="a.zip"', b"file_upload"),
    "a typed action": part(ACTION + b"\r\nContent-Type: application/json", b"file_upload"),
}
NAMES = {
    "capitals": b'name=":Action"',
    "no colon": b'name="action"',
    "no colon, capitals": b'name="ACTION"',
    "unquoted": b"name=:action",
    "single quotes": b"name=':action'",
    "an escape": b'name=":actio\\n"',
    "an escaped quote": b'name=":action\\""',
    "percent": b'name="%3Aaction"',
    "brackets": b'name=":action[]"',
    "an extended name": b"name*=utf-8''%3Aaction",
    "both names": b"name=\"a\"; name*=utf-8''%3Aaction",
    "two names": b'name="a"; name=":action"',
    "a continuation": b'name*0=":act"; name*1="ion"',
    "an encoded word": b'name="=?utf-8?q?=3Aaction?="',
    "a NUL": b'name=":action\0"',
    "a blank in front": b'name=" :action"',
    "a blank behind": b'name=":action "',
    "a blank before the quote": b'name= ":action"',
    "a fullwidth colon": 'name="\uff1aaction"'.encode(),
    "empty": b'name=""',
    "the method of a framework": b'name="_method"',
    "the charset of a form": b'name="_charset_"',
    "no name": b'filename="a.zip"',
    "the file first": b'filename="a.zip"; name="content"',
    "a path": b'name="content"; filename="../a.zip"',
    "a backslash": b'name="content"; filename="a\\.zip"',
    "a name in the file": b'name="content"; filename="a.zip; name=:action"',
    "an extended file": b"name=\"content\"; filename*=utf-8''a.zip",
    "a further parameter": b'name="content"; size=1',
    "a semicolon": b'name="content";',
}
FIELDS = {
    "no disposition": b"Content-Type: text/plain",
    "another disposition": b'Content-Disposition: attachment; name="a"',
    "two dispositions": NAME + b"\r\n" + ACTION,
    "two types": NAME + b"\r\nContent-Type: text/plain\r\nContent-Type: text/plain",
    "a folded field": NAME + b'\r\n ; name=":action"',
    "a folded type": NAME + b"\r\nContent-Type: text/plain;\r\n charset=utf-8",
    "a bare LF": NAME + b'\nContent-Disposition: form-data; name=":action"',
    "a bare CR": NAME + b'\rContent-Disposition: form-data; name=":action"',
    "a blank before the colon": NAME.replace(b":", b" :", 1),
    "a form in a form": NAME + b"\r\nContent-Type: multipart/mixed; boundary=c",
    "a form in a form without parameter": NAME + b"\r\nContent-Type: Multipart/Mixed",
    "a message": NAME + b"\r\nContent-Type: message/rfc822",
    "a query": NAME + b"\r\nContent-Type: application/x-www-form-urlencoded",
    "UTF-7": NAME + b"\r\nContent-Type: text/plain; charset=utf-7",
    "UTF-16": NAME + b"\r\nContent-Type: text/plain; charset=utf-16",
    "base64": NAME + b"\r\nContent-Transfer-Encoding: base64",
    "quoted-printable": NAME + b"\r\nContent-Transfer-Encoding: quoted-printable",
    "a length": NAME + b"\r\nContent-Length: 1",
    "a field of nobody": NAME + b"\r\nX-Name: a",
    "no colon": NAME + b"\r\nContent-Type",
    "the boundary in a head": NAME + b"\r\nContent-Type: text/--b0",
}


@pytest.mark.parametrize("parts", OTHER_ACTIONS.values(), ids=OTHER_ACTIONS.keys())
def test_no_other_action_passes(parts: bytes) -> None:
    came = refused(parts + part(FILE, b"x") + END)
    assert came == THE_ACTION.removesuffix(b"\r\n") or came == b""
    assert END not in refused(part(FILE, b"x") + parts + END)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_no_name_passes_that_a_reader_could_take_for_another(name: bytes) -> None:
    came = refused(THE_ACTION + part(b"Content-Disposition: form-data; " + name, b"remove_pkg") + END)
    assert came == THE_ACTION.removesuffix(b"\r\n")


@pytest.mark.parametrize("head", FIELDS.values(), ids=FIELDS.keys())
def test_no_field_passes_that_no_client_sends(head: bytes) -> None:
    assert refused(THE_ACTION + part(head, b"x") + END) == THE_ACTION.removesuffix(b"\r\n")


HIDDEN = b"--b0\r\n" + ACTION + b"\r\n\r\nremove_pkg"


@pytest.mark.parametrize(
    "value",
    [
        b"x" + HIDDEN,
        b"x\n" + HIDDEN,
        b"x\r" + HIDDEN,
        b"x\r\n\t" + HIDDEN,
        HIDDEN,  # the line end of the head is no part of the delimiter
        b"x\r\n--b0 \r\n" + ACTION + b"\r\n\r\nremove_pkg",
        b"x\r\n--b0\n" + ACTION + b"\n\nremove_pkg",
        b"x\r\n--b0\r" + ACTION,
        b"x\r\n--b0-",
        b"x\r\n--b0--",
        b"x\r\n--b0--\r\n" + HIDDEN,
        b"x\r\n----b0",
        b"x--b0--",
        b"x\r\n--b0x",
    ],
)
def test_no_boundary_passes_where_no_part_begins(value: bytes) -> None:
    came = refused(THE_ACTION + part(FILE, value) + END)
    assert came.count(b"--b0") == 2
    assert b"remove_pkg" not in came


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        END,
        b"\r\n" + END,
        b"preamble\r\n" + FORM,
        b"\r\n\r\n" + FORM,
        b"\n" + FORM,
        b" " + FORM,
        FORM + b"x",
        FORM + b"\r\n",
        FORM + FORM,
        FORM[:-1],
        FORM[:-3],
        FORM[: -len(END)],
        THE_ACTION,
        part(FILE, b"x") + END,
        b'{"name": "foo"}',
        b":action=remove_pkg&name=foo",
    ],
)
def test_nothing_but_a_whole_form_passes(body: bytes) -> None:
    assert END not in refused(body)


def test_a_parts_head_is_bounded_and_so_is_the_number_of_parts() -> None:
    with pytest.raises(MalformedForm, match="head is longer"):
        FormReader(B).feed(THE_ACTION + b"--b0\r\n" + b"x" * HEAD_LIMIT)
    assert passed([THE_ACTION + part(NAME, b"x") * (PART_LIMIT - 1) + END])
    with pytest.raises(MalformedForm):
        passed([THE_ACTION + part(NAME, b"x") * PART_LIMIT + END])


@pytest.mark.parametrize(
    ("value", "boundary"),
    [
        (b"multipart/form-data; boundary=x", b"x"),
        (b'Multipart/Form-Data;boundary="x-y_z.1" ', b"x-y_z.1"),
        (b"multipart/form-data; boundary=--------------GHSKFJDLGDS7", b"--------------GHSKFJDLGDS7"),
        (b"multipart/form-data; boundary=" + b"x" * 70, b"x" * 70),
    ],
)
def test_a_boundary_is_read(value: bytes, boundary: bytes) -> None:
    assert boundary_of([value]) == boundary


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b""],
        [b"application/json"],
        [b"application/x-www-form-urlencoded"],
        [b"text/plain"],
        [b"multipart/mixed; boundary=x"],
        [b"multipart/form-data"],
        [b"multipart/form-data; boundary="],
        [b'multipart/form-data; boundary=""'],
        [b'multipart/form-data; boundary="x'],
        [b"multipart/form-data; boundary='x'"],
        [b"multipart/form-data; boundary=x; boundary=y"],
        [b"multipart/form-data; boundary=x; charset=utf-7"],
        [b"multipart/form-data; charset=utf-16; boundary=x"],
        [b"multipart/form-data; boundary*=utf-8''x"],
        [b"multipart/form-data; boundary=x;"],
        [b"multipart/form-data, application/json; boundary=x"],
        [b'multipart/form-data; boundary="x,y"'],
        [b'multipart/form-data; boundary="x;y"'],
        [b'multipart/form-data; boundary="x=y"'],
        [b'multipart/form-data; boundary="x y"'],
        [b'multipart/form-data; boundary="x\\y"'],
        [b"multipart/form-data; boundary=x-"],
        [b"multipart/form-data; boundary=" + b"x" * 71],
        [b"multipart/form-data; boundary=x\xe9"],
        [b"multipart/form-data; boundary=x", b"multipart/form-data; boundary=x"],
        [b"multipart/form-data; boundary=x", b"application/json"],
    ],
)
def test_no_other_type_is_taken(values: list[bytes]) -> None:
    with pytest.raises(MalformedForm):
        boundary_of(values)
