"""Connectors in order: a project that a registry does not have is looked for at the next connector.

The client is redirected to the next connector's own port, so that the page, its links, lock files and caches
name one registry for all of a project. The sidecar decides by one answer, and remembers nothing.

Only the registry's own 404 counts. It says nothing of the project if the request had lost the credential:
some registries hide with 404 what a stranger may not see. Refusals and errors of ours are final.
"""

from sidecar.contract.words import ALONE, Code
from sidecar.exchange.client import Exchange
from sidecar.exchange.granted import GrantedRegistry
from sidecar.exchange.relay import relay
from sidecar.exchange.upstream import Response, Upstream
from sidecar.rules.answers import Answer
from sidecar.rules.routes import ALIAS


class Next:
    """The connector that is asked next."""

    __slots__ = ("_answer", "_local")

    def __init__(self, connector: str, port: int) -> None:
        self._local = f"http://127.0.0.1:{port}"
        sentence = f"the registry answers 404: the next connector, {connector}, is asked"
        self._answer = Answer(302, Code.NEXT_CONNECTOR, sentence)

    async def ask(
        self,
        exchange: Exchange,
        response: Response,
        project: str,
        registry: GrantedRegistry,
        upstream: Upstream,
    ) -> Answer | None:
        """Answer a 404 for an index page. `project` is normalised, and empty for the index itself.

        The answer of our own, None if the registry's was relayed.
        """
        is_alone = exchange.head.target.endswith(f"?{ALONE}")
        if is_alone or not project or not _is_answer_to_the_credential(response, registry):
            await relay(exchange, response, upstream, registry.grant.credential)
            return None
        await upstream.discard_body(response)
        location = f"{self._local}{ALIAS}{project}/".encode("ascii")
        await exchange.answer(self._answer, [(b"location", location)])
        return self._answer


def _is_answer_to_the_credential(response: Response, registry: GrantedRegistry) -> bool:
    is_own = response.url.startswith(registry.prefix)
    return response.is_authorized or not is_own or registry.authorization is None
