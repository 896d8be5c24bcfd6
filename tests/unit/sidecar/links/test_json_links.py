"""Links of JSON pages: each member that is one is replaced, and all else stays octet by octet."""

import pytest

from support.pages.index_pages import LOCAL, OWN, rewrite, rewrite_json

JSON = {
    "a file": (f'{{"files":[{{"url":"{OWN}/a.whl"}}]}}', '{"files":[{"url":"/a.whl"}]}'),
    "blanks around the colon": (f'{{"url"\n :\t"{OWN}/a"}}', '{"url"\n :\t"/a"}'),
    "escaped slashes": (r'{"url":"https:\/\/registry.example\/p\/a.whl"}', r'{"url":"/p\/a.whl"}'),
    "an escaped second slash": (
        r'{"url":"https:\/\/registry.example\/\/evil.example"}',
        f'{{"url": "{LOCAL}//evil.example"}}'.replace(" ", ""),
    ),
    "an escaped key": (
        rf'{{"\u0075r\u006C":"{OWN}/a","p\u0072ovenance":null}}',
        r'{"\u0075r\u006C":"/a","p\u0072ovenance":null}',
    ),
    "an escaped key of provenance": (
        rf'{{"p\u0072ovenance" : "{OWN}/a"}}',
        rf'{{"p\u0072ovenance" : "{LOCAL}/a"}}',
    ),
    "another key that ends like it": (rf'{{"x\"url":"{OWN}/a","home_url":"{OWN}/b","URL":"{OWN}/c"}}',) * 2,
    "escapes in the path": (rf'{{"url":"{OWN}/a%2Fb\u002fc\/d"}}', r'{"url":"/a%2Fb\u002fc\/d"}'),
    "braces": (f'{{"url":"{OWN}/{{a}}","x":"{{"}}', '{"url":"/{a}","x":"{"}'),
    "in an unknown object": (f'{{"x":[{{"url":"{OWN}/a"}}]}}', '{"x":[{"url":"/a"}]}'),
    "slashes by number": (
        r'{"url":"https:\u002f\u002fregistry.example\u002Fp\u002fa.whl"}',
        '{"url":"/p/a.whl"}',
    ),
    "a letter by number": (r'{"url":"https://regis\u0074ry.example/a"}', '{"url":"/a"}'),
    "escaped slashes elsewhere": (r'{"url":"https:\/\/pypi.org\/a"}',) * 2,
    "a relative link with escapes": (r'{"url":"..\/a.whl"}',) * 2,
    "a quote": (r'{"url":"https://registry.example/\"a"}', r'{"url":"/\"a"}'),
    "beyond ASCII": ('{"url":"https://registry.example/é"}', '{"url":"/é"}'),
    "provenance": (
        f'{{"provenance":"{OWN}/a.provenance"}}',
        f'{{"provenance":"{LOCAL}/a.provenance"}}',
    ),
    "provenance, relative": (
        '{"provenance":"a.provenance"}',
        f'{{"provenance":"{LOCAL}/repository/pypi/simple/requests/a.provenance"}}',
    ),
    "no provenance": ('{"provenance":null,"url":null,"x":{"url":7}}',) * 2,
    "PEP 708": (f'{{"meta":{{"tracks":["{OWN}/simple/a/"]}},"alternate-locations":["{OWN}/b/"]}}',) * 2,
    "unknown keys in their order": (
        f'{{"zz": 1.50, "url": "{OWN}/a", "_": {{"b": [], "a": "{OWN}/c"}}, "zz": 1e3, "home_url": "{OWN}"}}',
        f'{{"zz": 1.50, "url": "/a", "_": {{"b": [], "a": "{OWN}/c"}}, "zz": 1e3, "home_url": "{OWN}"}}',
    ),
    "the key inside a text": (rf'{{"x": "\"url\": \"{OWN}/a\""}}',) * 2,
    "the key as a value": (f'{{"x": "url", "y": "{OWN}/a"}}',) * 2,
    "cut off": (f'{{"url":"{OWN}',) * 2,
    "broken escape": (r'{"url":"https:\x2f\x2fregistry.example"}',) * 2,
    "empty": ("",) * 2,
}


@pytest.mark.parametrize(("page", "expected"), JSON.values(), ids=JSON.keys())
def test_a_value_is_replaced_and_all_else_stays(page: str, expected: str) -> None:
    assert rewrite_json(page) == expected


def test_octets_that_are_no_utf_8_pass() -> None:
    assert rewrite(b'{"url":"https:\\/\\/x/\xff","y":"\xfe"}', is_json=True) == (
        b'{"url":"https:\\/\\/x/\xff","y":"\xfe"}'
    )


PAGE = """{
  "meta": {"api-version": "1.4", "_last-serial": 7, "tracks": ["OWN/simple/other/"],
           "project-status": "archived", "project-status-reason": "see OWN/why"},
  "alternate-locations": ["OWN/simple/foo/", "https://pypi.org/simple/foo/"],
  "name": "foo", "versions": ["1.0", "1!2.0"],
  "files": [{
    "filename": "foo-1.0-py3-none-any.whl", "url": "OWN/p/foo-1.0-py3-none-any.whl", "size": 123456789012,
    "hashes": {"sha256": "ab"}, "core-metadata": {"sha256": "cd"}, "dist-info-metadata": true,
    "requires-python": ">=3.9", "yanked": "see OWN/why", "gpg-sig": false,
    "upload-time": "2026-01-02T03:04:05.678901Z",
    "provenance": "OWN/p/foo-1.0-py3-none-any.whl.provenance", "x-new": [1e400, -0, {"OWN": "OWN"}]
  }]
}"""


def test_a_page_with_all_that_the_standards_know_keeps_what_is_no_link() -> None:
    """PEP 592, 691, 700, 708, 714, 740 and 792; PEP 708 wants its addresses as they are."""
    expected = PAGE.replace('"url": "OWN', '"url": "').replace(
        '"provenance": "OWN', f'"provenance": "{LOCAL}'
    )
    assert rewrite_json(PAGE.replace("OWN", OWN)) == expected.replace("OWN", OWN)
