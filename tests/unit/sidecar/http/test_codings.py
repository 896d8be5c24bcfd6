"""Content codings: those that change the body, among tokens that change nothing."""

import pytest

from sidecar.http.headers import codings


@pytest.mark.parametrize(
    ("lines", "applied"),
    [
        ([], []),
        ([b"identity"], []),
        ([b"Identity"], []),
        ([b""], []),
        ([b"aws-chunked"], []),
        ([b"none"], []),
        ([b"UTF-8"], []),
        ([b"ascii"], []),
        ([b"binary"], []),
        ([b"7bit"], []),
        ([b"null"], []),
        ([b"*"], []),
        ([b"application/octet-stream"], []),
        ([b"gzip;q=1"], []),  # pip and uv know no parameters, and take such a body as it is
        ([b"none, identity"], []),
        ([b"gzip"], [b"gzip"]),
        ([b" GZip "], [b"gzip"]),
        ([b"x-gzip"], [b"x-gzip"]),
        ([b"aws-chunked, gzip"], [b"gzip"]),
        ([b"gzip,aws-chunked"], [b"gzip"]),
        ([b"gzip, identity"], [b"gzip"]),
        ([b"gzip,"], [b"gzip"]),
        ([b"aws-chunked", b"gzip"], [b"gzip"]),
        ([b"gzip", b"none"], [b"gzip"]),
        ([b"gzip", b"gzip"], [b"gzip", b"gzip"]),
        ([b"gzip, br"], [b"gzip", b"br"]),
        ([b"none", b"br"], [b"br"]),
        *[([name], [name]) for name in (b"br", b"zstd", b"deflate", b"compress", b"x-compress")],
        *[([name], [name]) for name in (b"dcb", b"dcz", b"exi", b"pack200-gzip", b"aes128gcm", b"lzma")],
    ],
)
def test_a_token_that_names_no_coding_is_left_out(lines: list[bytes], applied: list[bytes]) -> None:
    headers = [(b"x", b"gzip"), *[(b"content-encoding", line) for line in lines]]
    assert codings(headers) == applied
