"""Plays one origin of a kind of `kinds.py`: its answers to calls of a scripted registry."""

import fnmatch
import re
from collections.abc import Mapping
from urllib.parse import unquote

from support.registries.kinds import INDEX_TYPES, Answer, Kind, files, fill
from support.servers.registry import Call, Request


class Player:
    """One origin of one kind."""

    def __init__(self, kind: Kind, origin: str, names: Mapping[str, str], *, authorization: str) -> None:
        self._kind = kind
        self._authorization = authorization
        self._names = names
        own = "credential" if kind.username else "nothing"
        self._wants = own if origin == "registry" else kind.origins[origin].wants
        self._answers = [(fill(one.path, names), one) for one in kind.answers if one.origin == origin]

    def play(self, call: Call) -> None:
        path = unquote(call.request.target.partition("?")[0])  # pip encodes what devpi does not: `+f`
        fitting = [one for pattern, one in self._answers if fnmatch.fnmatchcase(path, pattern)]
        answer = next((one for one in fitting if call.request.method in one.methods), None)
        authorization = call.request.header("authorization")
        is_locked = self._wants == "credential" and not (answer and answer.is_signed)
        if self._wants == "no-authorization" and authorization is not None:
            call.reply(400, b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed")
        elif is_locked and authorization != self._authorization:
            call.reply(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="registry"'})
        elif answer is None and fitting and self._wants == "no-authorization":
            call.reply(403, b"<Error><Code>SignatureDoesNotMatch</Code>")  # it was signed for GET alone
        elif answer is None:
            call.reply(405 if fitting else 404, b"not here", {"Allow": "GET"} if fitting else {})
        else:
            self._give(call, answer)

    def _give(self, call: Call, answer: Answer) -> None:
        headers = {name: fill(value, self._names) for name, value in answer.headers.items()}
        status, body = answer.status, answer.body.encode()
        if answer.redirect is not None:
            headers["Location"] = fill(answer.redirect, self._names)
        elif answer.file is not None:
            status, body, headers = _part(call.request, files()[answer.file], headers)
        elif answer.is_upload:
            status, body = self._take(call, answer)
        elif answer.page:
            form = _choose(answer, call.request.header("accept") or "*/*")
            if form is None:
                status, body = 406, b"not acceptable"
            else:
                headers = {"Content-Type": INDEX_TYPES[form], **headers}
                body = fill(self._kind.text(answer.page[form]), self._names).encode()
        if status == 200 and headers.get("ETag") == call.request.header("if-none-match") is not None:
            status, body = 304, b""
        call.reply(status, body, headers)

    def _take(self, call: Call, answer: Answer) -> tuple[int, bytes]:
        """Check an upload as Warehouse's legacy API does (`:action`, the file's name and digest)."""
        call.read_body()
        form = bytes(call.request.body)
        is_whole = all(one in form for one in (b"file_upload", b'name="content"', b"sha256_digest"))
        return (answer.status, answer.body.encode()) if is_whole else (400, b"no upload")


def _part(request: Request, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """One range of a file (RFC 9110 §14), from servers that announce ranges."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("range") or "")
    if asked is None or "Accept-Ranges" not in headers:
        return 200, body, headers
    first, last = asked.groups()
    start, end = (int(first), int(last or len(body) - 1)) if first else (len(body) - int(last), len(body) - 1)
    return 206, body[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{len(body)}"}


def _choose(answer: Answer, accept: str) -> str | None:
    """The form of a page for an Accept header: the client's first, as pip and uv order theirs (PEP 691)."""
    wanted = [part.partition(";")[0].strip() for part in accept.split(",")]
    for one in wanted:
        for form in answer.page:
            if INDEX_TYPES[form].partition(";")[0] == one:
                return form
    return None if answer.is_strict and "*/*" not in wanted else next(iter(answer.page))
