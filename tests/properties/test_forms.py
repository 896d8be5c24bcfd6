"""Forms of uploads: one outcome however they are cut, and none that another reader reads otherwise."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sidecar.http.multipart import FormReader, MalformedForm
from support.sidecars.octets import cut, mostly, tried

B = b"b"
PIECES = st.sampled_from(
    [b"\r\n--b\r\n", b"--b", b"\r\n", b"\r", b"\n", b"-", b"--", b"b", b"x", b"\r\n--b--\r\n", b"--b--",
     b"\0", b'Content-Disposition: form-data; name=":action"\r\n\r\nfile_upload',
     b'Content-Disposition: form-data; name="name"\r\n\r\n', b"\r\n\r\n", b"remove_pkg"]
)  # fmt: skip
VALUES = st.lists(PIECES, max_size=6).map(b"".join)
HEADS = mostly(
    st.sampled_from([b'form-data; name="name"', b'form-data; name="content"; filename="a.zip"']),
    st.sampled_from([b'form-data; name=":action"', b'form-data; name="_method"', b"form-data"]),
)
PARTS = st.tuples(HEADS, VALUES).map(
    lambda pair: b"--b\r\nContent-Disposition: " + pair[0] + b"\r\n\r\n" + pair[1] + b"\r\n"
)
ACTION = b'--b\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
FORMS = st.tuples(st.lists(PARTS, max_size=4), st.integers(0, 4)).map(
    lambda pair: b"".join([*pair[0][: pair[1]], ACTION, *pair[0][pair[1] :], b"--b--\r\n"])
)
BODIES = st.one_of(FORMS, st.lists(PIECES, max_size=12).map(b"".join))


def outcome(pieces: list[bytes]) -> tuple[bool, bytes]:
    """Whether the form is taken, and the bytes that passed."""
    reader, came = FormReader(B), b""
    try:
        for piece in pieces:
            came += reader.feed(piece)
        return True, came + reader.finish()
    except MalformedForm:
        return False, came


@tried(500)
@given(st.data())
def test_a_form_has_one_outcome_however_it_is_cut(data: st.DataObject) -> None:
    body = data.draw(BODIES)
    is_taken, came = outcome([body])
    is_taken_in_pieces, came_in_pieces = outcome(data.draw(cut(body)))
    assert is_taken_in_pieces == is_taken
    assert came_in_pieces == came == body if is_taken else body.startswith(came_in_pieces)


@tried(500)
@given(st.data())
def test_the_most_lenient_reader_sees_one_action_and_the_same_parts(data: st.DataObject) -> None:
    body = data.draw(BODIES)
    is_taken, came = outcome(data.draw(cut(body)))
    lenient = re.split(rb"--b", came)[1:]
    actions = [part for part in lenient if b":action" in part.partition(b"\r\n\r\n")[0].lower()]
    heads = [part.partition(b"\r\n\r\n")[2].rstrip(b"\r\n") for part in actions]
    assert heads in ([], [b"file_upload"])
    if is_taken:
        assert len(heads) == 1
        assert lenient[-1].rstrip(b"\r\n") == b"--"
