"""Replicas of the controller on a real API server, in this process, each on a loop and thread of its own.

They ask as the ServiceAccount of the kubeconfig, so their rights are those of `manifests/rbac`. Registries
may be on the loopback interface here, where the tests' registries listen.
"""

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from webhook import names
from webhook.cluster import paths, trim
from webhook.cluster.cache import Cache
from webhook.cluster.events import EventRecorder
from webhook.cluster.kubernetes import in_cluster_or_kubeconfig
from webhook.connector.proxy_address import DEFAULT_DOMAIN
from webhook.status.connector_trim import spec_and_status
from webhook.status.controller import Controller
from webhook.status.gateway import LOOK_SECONDS, Gateway
from webhook.status.lease import Lease, Times
from webhook.status.probe import probe

PATIENCE_SECONDS = 60.0
FAST = Times(lease_seconds=60, renew_deadline_seconds=40.0, retry_seconds=0.1)
"""What another takes over within the test's patience was released, and had not run out"""


class Replica:
    """Runs between `start` and `stop`, which is what SIGTERM does."""

    def __init__(
        self, kubeconfig: Path, identity: str, *, gateway_seconds: float = LOOK_SECONDS, **options: Any
    ) -> None:
        self._gateway_seconds = gateway_seconds
        self._kubeconfig = kubeconfig
        self._identity = identity
        self._options = {
            "probe": functools.partial(probe, is_loopback_allowed=True),
            **options,
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = contextlib.AsyncExitStack()
        self.controller: Controller

    @property
    def is_leading(self) -> bool:
        return self.controller.is_leading

    def start(self) -> None:
        self._thread.start()
        entering = self._stack.enter_async_context(self._wired())
        self.controller = asyncio.run_coroutine_threadsafe(entering, self._loop).result(PATIENCE_SECONDS)

    def stop(self) -> None:
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> "Replica":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.asynccontextmanager
    async def _wired(self) -> AsyncIterator[Controller]:
        async with await in_cluster_or_kubeconfig({"KUBECONFIG": str(self._kubeconfig)}) as api:
            connectors = Cache(api, paths.connectors(), spec_and_status)
            recorder = EventRecorder(api, names.SIDECAR, self._identity, period_seconds=0.2)
            lease = Lease(
                api,
                namespace=names.NAMESPACE,
                name=names.CONTROLLER_LEASE,
                identity=self._identity,
                times=FAST,
            )
            classes = Cache(api, paths.CONNECTOR_CLASSES, trim.connector_class)
            gateway = Gateway(
                api, namespace=names.NAMESPACE, domain=DEFAULT_DOMAIN, look_seconds=self._gateway_seconds
            )
            controller = Controller(
                api, connectors, classes, lease, recorder=recorder, gateway=gateway, **self._options
            )
            running = (connectors.run(), classes.run(), recorder.run(), controller.run())
            tasks = [asyncio.create_task(one) for one in running]
            try:
                yield controller
            finally:
                failed = [task for task in tasks if task.done()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for task in failed:
                    task.result()
