"""A rendered client file becomes one of ours: it is checked, and gets the lines that keep clients here. Pure.

A template says what it likes about timeouts, hashes or builds. The index is always the connector's, and no
file may name a second source of packages, or another place for uploads, unless `admits_others` says so. Each
file is read by the parser of its client, so that no spelling hides a source.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from webhook import names
from webhook.clients import ini_texts
from webhook.clients.endpoints import Endpoints
from webhook.clients.settings_files import hindrances_of_uv, sources_of_uv
from webhook.clients.sources import PIP_OPTIONS
from webhook.errors import InvalidValue

_ALLOW = "the class must say extraIndexes: allow, and its Connectors must not say otherwise"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
"""Some readers take them for the end of a line, and others do not"""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/[^\s,;\"'<>\])}]*")
_MIRRORS = ("python-install-mirror", "pypy-install-mirror", "python-downloads-json-url")
"""Settings of uv for interpreters: these are no packages"""


def finish(file: str, text: str, canonical: str, endpoints: Endpoints, *, admits_others: bool) -> str:
    """The file, or `InvalidValue`. `canonical` is the built-in text of a file that has one."""
    _check_text(text)
    if file == names.PIP_CONF:
        return _finish_pip_conf(text, canonical, endpoints, admits_others)
    if file == names.UV_TOML:
        return _finish_uv_toml(text, endpoints, admits_others)
    if file == names.PYPIRC:
        return _finish_pypirc(text, canonical, endpoints)
    if not admits_others:
        _check_urls("", text, endpoints)
    return text


def _check_text(text: str) -> None:
    if _CONTROL.search(text):
        raise InvalidValue("gives a text with control characters or odd line ends")
    if "$(" in text or "$$" in text:
        raise InvalidValue('gives a text with "$(" or "$$", which Kubernetes would expand')


def _ours(endpoints: Endpoints) -> set[str]:
    urls = (
        endpoints.index_url,
        endpoints.template_index_url,
        endpoints.upload_url,
        endpoints.upload_check_url,
    )
    return {url for url in (*urls, *(target.upload_url for target in endpoints.targets)) if url}


def _check_urls(place: str, value: str, endpoints: Endpoints) -> None:
    """Everything that looks like a URL is the connector's."""
    foreign = [url for url in _URL.findall(value) if url not in _ours(endpoints)]
    if foreign or value.strip().startswith("//"):
        shown = foreign[0] if foreign else value.strip()
        raise InvalidValue(f"{place}names {shown[:128]}, which is not the connector's", _ALLOW)


def _finish_pip_conf(text: str, canonical: str, endpoints: Endpoints, admits_others: bool) -> str:
    """Our options stand in each section of ours, whatever the template says there."""
    ours, written = ini_texts.parse(canonical), ini_texts.parse(text)
    result: ini_texts.Sections = {section: {} for section in ours}
    for section, options in written.items():
        for option, value in options.items():
            name = _pip_name(option)
            if name in result.setdefault(section, {}):
                raise InvalidValue(f"[{section}] has {name} twice")
            _check_pip_option(f"[{section}] {name} ", name, value, endpoints, admits_others)
            result[section][name] = value
    for section, options in ours.items():
        defaults = {name: value for name, value in options.items() if name == "timeout"}
        result[section] = {
            **defaults,
            **result[section],
            **{n: v for n, v in options.items() if n not in defaults},
        }
    return ini_texts.write(result)


def _pip_name(option: str) -> str:
    """pip takes `Index_URL` and `--index-url` for `index-url`."""
    return option.lower().replace("_", "-").removeprefix("--")


def _check_pip_option(place: str, name: str, value: str, endpoints: Endpoints, admits_others: bool) -> None:
    index_url = endpoints.index_url or ""
    if name == "index-url" and value != index_url:
        raise InvalidValue(f"{place}must be {{{{ index_url }}}}", "or leave it out")
    url = urlsplit(index_url)
    if name == "trusted-host" and (value != url.hostname or url.scheme != "http"):
        raise InvalidValue(f"{place}must be left out")
    if name in ("proxy", "pypi-url", "no-index") and value:
        raise InvalidValue(f"{place}must be left out: clients would not reach the connector")
    if admits_others:
        return
    if name in PIP_OPTIONS and value and value != index_url:
        raise InvalidValue(f"{place}names another source of packages", _ALLOW)
    _check_urls(place, value, endpoints)


def _finish_uv_toml(text: str, endpoints: Endpoints, admits_others: bool) -> str:
    document = _parse_toml(text)
    lines = {"publish-url": endpoints.upload_url, "check-url": endpoints.upload_check_url}
    head = [f'{key} = "{url}"\n' for key, url in lines.items() if url and key not in document]
    tail = "" if "index" in document else f'\n[[index]]\nurl = "{endpoints.index_url}"\ndefault = true\n'
    end = "" if text.endswith("\n") or not text else "\n"
    result = "".join([*head, text, end, tail])
    _check_uv(_parse_toml(result), endpoints, admits_others)
    return result


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"gives no TOML: {str(error)[:200]}") from None


def _check_uv(document: Mapping[str, Any], endpoints: Endpoints, admits_others: bool) -> None:
    hindrances = [*hindrances_of_uv(document), *(["https-proxy"] if document.get("https-proxy") else [])]
    if hindrances:
        raise InvalidValue(f"{hindrances[0]} must be left out: clients would not reach the connector")
    indexes = document.get("index")
    items = indexes if isinstance(indexes, list) else []
    defaults = [item for item in items if isinstance(item, Mapping) and item.get("default") is True]
    if len(defaults) != 1 or defaults[0].get("url") != endpoints.index_url:
        raise InvalidValue("index must have {{ index_url }} as its only default", "or leave it out")
    pip = document.get("pip")
    for place, table in (("", document), ("pip.", pip if isinstance(pip, Mapping) else {})):
        if table.get("index-url", endpoints.index_url) != endpoints.index_url:
            raise InvalidValue(f"{place}index-url must be {{{{ index_url }}}}", "or leave it out")
        if table.get("allow-insecure-host"):  # as pip's trusted-host: the files may hold a token
            raise InvalidValue(f"{place}allow-insecure-host must be left out")
    for key, url in (("publish-url", endpoints.upload_url), ("check-url", endpoints.upload_check_url)):
        if document.get(key, url) != url:
            raise InvalidValue(f"{key} must be left out: uploads go to the connector")
    elsewhere = [item for item in items if isinstance(item, Mapping) and "publish-url" in item]
    if any(str(item["publish-url"]) not in _ours(endpoints) for item in elsewhere):
        raise InvalidValue("index publish-url must be left out: uploads go to the connector")
    if admits_others:
        return
    further = sources_of_uv(document)
    if further or len(items) > 1:
        raise InvalidValue(f"{(further or ['index'])[0]} names another source of packages", _ALLOW)
    for place, value in _texts(document):
        _check_urls(f"{place} ", value, endpoints)


def _texts(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _MIRRORS:
                yield from _texts(item, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, place)
    elif isinstance(value, str):
        yield place, value


def _finish_pypirc(text: str, canonical: str, endpoints: Endpoints) -> str:
    """Uploads go to the connectors in any case: any other place would get private packages."""
    ours, result = ini_texts.parse(canonical), ini_texts.parse(text)
    for section, options in result.items():
        for option, value in options.items():
            if option == "repository" and value not in _ours(endpoints):
                raise InvalidValue(f"[{section}] repository must be {{{{ upload_url }}}}")
            _check_urls(f"[{section}] {option} ", value, endpoints)
        if section != "distutils" and section not in ours and "repository" not in options:
            raise InvalidValue(f"[{section}] has no repository")
    servers = result.get("distutils", {}).get("index-servers", "").split()
    own = ours["distutils"]["index-servers"].split()
    merged = {section: {**options, **result.get(section, {})} for section, options in ours.items()}
    merged["distutils"]["index-servers"] = "".join(
        f"\n{server}" for server in dict.fromkeys([*servers, *own])
    )
    return ini_texts.write({**merged, **{name: item for name, item in result.items() if name not in merged}})
