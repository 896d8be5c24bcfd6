"""Counters for Prometheus: of bounded label sets, whatever clients make up."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

_CONNECTORS = 1000
"""Connectors with counters of their own; arbitrary. The others are counted together"""
_REMEMBERED = 20_000
_OTHER = ("", "other")
_REFUSED = ("", "")
"""Requests without a valid token: their connector may be made up"""
_VIA = "gateway"
_LABELS = ("namespace", "connector", "action", "status_class", "via")


class Metrics:
    """All metrics of the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "pypi_connector_proxied_requests",
            "Requests of package clients",
            _LABELS,
            registry=self.registry,
        )
        self._bytes = Counter(
            "pypi_connector_proxied_bytes",
            "Bytes of bodies sent to package clients",
            _LABELS,
            registry=self.registry,
        )
        self.grants = Counter(
            "pypi_connector_gateway_grants",
            "Questions to the broker for a client's first grant, by outcome",
            ("outcome",),
            registry=self.registry,
        )
        self.connections = Gauge(
            "pypi_connector_gateway_connections", "Open connections of clients", registry=self.registry
        )
        self.under_way = Gauge(
            "pypi_connector_gateway_requests_under_way", "Requests under way", registry=self.registry
        )
        self.sessions = Gauge(
            "pypi_connector_gateway_sessions", "Tokens at connectors in memory", registry=self.registry
        )
        self.tenants = Gauge("pypi_connector_gateway_tenants", "Connectors in memory", registry=self.registry)
        self._counters: dict[tuple[object, ...], tuple[Counter, Counter]] = {}
        """By connector, action and class of statuses: to look them up by labels takes microseconds"""
        self._connectors: set[str] = set()

    def count(self, fields: Mapping[str, object]) -> None:
        """Count a request by the fields of its log line."""
        status, sent = fields.get("status"), fields.get("bytes")
        status_class = f"{status // 100}xx" if isinstance(status, int) else "none"
        connector, action = fields.get("connector"), fields.get("action") or "none"
        counters = self._counters.get((connector, action, status_class))
        if counters is None:
            labels = (*self._place(connector), str(action), status_class, _VIA)
            counters = self._requests.labels(*labels), self._bytes.labels(*labels)
            if len(self._counters) < _REMEMBERED:
                self._counters[connector, action, status_class] = counters
        counters[0].inc()
        counters[1].inc(sent if isinstance(sent, int) else 0)

    def count_refused(self, status: int) -> None:
        self.count({"status": status})

    def _place(self, connector: object) -> tuple[str, str]:
        if not isinstance(connector, str):
            return _REFUSED
        if connector not in self._connectors:
            if len(self._connectors) >= _CONNECTORS:
                return _OTHER
            self._connectors.add(connector)
        namespace, _, name = connector.partition("/")
        return namespace, name
