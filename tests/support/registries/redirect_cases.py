"""Redirects of pages within a registry, with the sidecar's answer and the status that follows from it.

The Connector's address is `/repo` of the registry, and its Secret has a credential.
"""

from typing import Literal, NamedTuple

ADDRESS = "/repo"
INDEX = "/repo/simple/"
PAGE = "/repo/simple/pypi-connector-probe/"
NAME = "pypi-connector-probe"

Target = Literal["open", "guarded", "forbidden", "hidden", "broken", "sign-in"]
"""The target without the credential: 200 for everybody, 401, 403, 404, 500, or a sign-in page"""


class RedirectCase(NamedTuple):
    title: str
    location: str
    target: Target
    served: int
    """Status that a client of the sidecar gets"""
    outcome: str
    """Of the probe"""
    files: str = ""
    """Path of `addressExtensions files` at the registry's own origin"""
    of: str = PAGE
    """The page that is redirected. The other page is 404"""
    is_anonymous: bool = False


REDIRECT_CASES = (
    RedirectCase("no slash", f"/repo/simple/{NAME}", "guarded", 200, "ok"),
    RedirectCase("another spelling", "/repo/simple/PyPI_Connector.Probe/", "guarded", 200, "ok"),
    RedirectCase("relative", f"../{NAME}", "guarded", 200, "ok"),
    RedirectCase("a query", f"/repo/simple/{NAME}?format=html", "guarded", 200, "ok"),
    RedirectCase("file of the page", f"{PAGE}index.html", "guarded", 200, "ok"),
    RedirectCase("relative file of the page", "index.v1_html", "guarded", 200, "ok"),
    RedirectCase("file that is no page's", f"{PAGE}main.html", "guarded", 403, "unexpected"),
    RedirectCase("file of a folder below", f"{PAGE}x/index.html", "guarded", 403, "unexpected"),
    RedirectCase("out of the address, 401", f"/other/simple/{NAME}/", "guarded", 403, "unservable"),
    RedirectCase("out of the address, 403", f"/other/simple/{NAME}/", "forbidden", 403, "unservable"),
    RedirectCase("out of the address, 404", f"/other/simple/{NAME}/", "hidden", 404, "unservable"),
    RedirectCase("out of the address, 500", f"/other/simple/{NAME}/", "broken", 500, "unexpected"),
    RedirectCase("out of the address, open", f"/other/simple/{NAME}/", "open", 200, "ok"),
    RedirectCase("out of the address, sign-in", f"/other/simple/{NAME}/", "sign-in", 200, "foreign"),
    RedirectCase("file out of the address", f"/other/simple/{NAME}/index.html", "guarded", 403, "unservable"),
    RedirectCase("open file elsewhere", f"/other/simple/{NAME}/index.html", "open", 200, "ok"),
    RedirectCase("beside the index", f"/repo/content/{NAME}/", "guarded", 403, "unservable"),
    RedirectCase("below the index", f"/repo/simple/x/{NAME}/", "guarded", 403, "unservable"),
    RedirectCase("a longer name", f"/repo-b/simple/{NAME}/", "guarded", 403, "unservable"),
    RedirectCase("our own spelling of hosts", f"/_o/r.test/{NAME}/", "guarded", 403, "unservable"),
    RedirectCase("declared", f"/other/simple/{NAME}/", "guarded", 200, "ok", files="/other"),
    RedirectCase("declared blob", "/blobs/4f1c", "guarded", 200, "ok", files="/blobs/"),
    RedirectCase("beside the declared", f"/other-b/{NAME}/", "guarded", 403, "unservable", files="/other"),
    RedirectCase("declared, in odd words", f"/auth/{NAME}/", "guarded", 200, "ok", files="/auth"),
    RedirectCase("declared sign-in", "/other/login", "sign-in", 200, "foreign", files="/other"),
    RedirectCase("declared encoded", f"/o%20r/{NAME}/", "guarded", 200, "ok", files="/o%20r"),
    RedirectCase("another open page", "/other/", "open", 200, "unexpected"),
    RedirectCase("another guarded page", "/other/", "guarded", 403, "unexpected"),
    RedirectCase("in a circle", PAGE, "open", 502, "unexpected"),
    RedirectCase("undeclared origin", f"https://other.test{PAGE}", "open", 404, "unexpected"),
    RedirectCase("index without slash", "/repo/simple", "guarded", 200, "ok", of=INDEX),
    RedirectCase("file of the index", "/repo/simple/index.html", "guarded", 200, "ok", of=INDEX),
    RedirectCase("index elsewhere, 404", "/other/simple/", "hidden", 404, "unservable", of=INDEX),
    RedirectCase("index elsewhere, 401", "/other/simple/", "guarded", 403, "unservable", of=INDEX),
    RedirectCase("index elsewhere, open", "/other/simple/", "open", 200, "ok", of=INDEX),
    RedirectCase("anonymous", f"/other/simple/{NAME}/", "open", 200, "ok", is_anonymous=True),
)
