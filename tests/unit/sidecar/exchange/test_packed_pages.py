"""Pages that come as gzip: the same however the stream is cut, and broken where it ends early."""

import gzip
from collections.abc import Iterable
from itertools import accumulate, pairwise

import pytest

from sidecar.errors import UpstreamBroken
from sidecar.exchange.pages import _PIECE, _decoder
from sidecar.links.rewriting import PageRewriter
from support.pages.index_pages import OWN, links, rewrite

LINK = f'<a href="{OWN}/f/foo-1.0.zip">foo</a>\n'.encode()
MANY = LINK * 8000
TWO = (gzip.compress(MANY[:190_000], mtime=0), gzip.compress(MANY[190_000:], mtime=0))
STREAMS = pytest.mark.parametrize(
    "members",
    [TWO, (TWO[0], gzip.compress(b"", mtime=0), TWO[1], *[b"\0"] * 20)],
    ids=["two members", "an empty one between them and padding behind"],
)


def unpacked(pieces: Iterable[bytes]) -> bytes:
    """What comes out; raises UpstreamBroken."""
    decoder = _decoder([b"gzip"])
    steps = [step for piece in pieces for step in decoder.feed(piece)]
    decoder.finish()
    assert max(map(len, steps), default=0) <= _PIECE
    return b"".join(steps)


def test_the_pages_of_this_file_take_several_steps_a_member() -> None:
    assert min(len(gzip.decompress(member)) for member in TWO) > 2 * _PIECE


@STREAMS
def test_a_packed_page_may_be_cut_in_two_at_every_position(members: tuple[bytes, ...]) -> None:
    """Inside a member's head and its sums, and between two members, too."""
    stream = b"".join(members)
    for cut in range(len(stream) + 1):
        assert unpacked([stream[:cut], stream[cut:]]) == MANY, cut


@STREAMS
def test_a_packed_page_may_come_in_single_octets(members: tuple[bytes, ...]) -> None:
    stream = b"".join(members)
    assert unpacked(stream[at : at + 1] for at in range(len(stream))) == MANY


@STREAMS
@pytest.mark.parametrize("size", [1, 7, 1 << 20], ids=["octet by octet", "in sevens", "at once"])
def test_a_packed_page_that_ends_early_is_broken_wherever_it_ends(
    members: tuple[bytes, ...], size: int
) -> None:
    """Save between two members, where only the length of the whole, or its last chunk, tells of more."""
    stream = b"".join(members)
    ends = set(accumulate(map(len, members)))
    for end in range(len(stream)):
        pieces = [stream[at : min(at + size, end)] for at in range(0, end, size)]
        if end in ends:
            assert unpacked(pieces) == gzip.decompress(stream[:end])
        else:
            with pytest.raises(UpstreamBroken, match="ends early"):
                unpacked(pieces)


def test_links_of_a_packed_page_lead_back_however_it_is_cut() -> None:
    """The members' border lies inside a link."""
    page = LINK * 3
    border = page.index(b"registry")
    stream = gzip.compress(page[:border], mtime=0) + gzip.compress(page[border:], mtime=0)
    for first, second in pairwise(range(len(stream) + 1)):
        decoder, rewriter = _decoder([b"gzip"]), PageRewriter(links(), is_json=False)
        pieces = (stream[:first], stream[first:second], stream[second:])
        found = [rewriter.feed(step) for piece in pieces for step in decoder.feed(piece)]
        assert b"".join(found) + rewriter.finish() == rewrite(page) == page.replace(OWN.encode(), b"")
