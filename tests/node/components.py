"""The components of Kubernetes and the arguments of each. One function per component, no I/O."""

from dataclasses import dataclass
from pathlib import Path

SERVICE_NETWORK = "10.96.0.0/16"
SERVICE_IP = "10.96.0.1"
"""Of the Service `kubernetes`: the first of its network, by convention of the API server"""

API_ONLY_CONTROLLERS = (
    "namespace-controller",
    "serviceaccount-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "validatingadmissionpolicy-status-controller",
)
"""What tests without a node need of the controller manager; all of its controllers would start slower"""


def with_node(pki: Path) -> tuple[str, ...]:
    """The further arguments of an API server with a kubelet and aggregated API servers."""
    return (
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
    )


@dataclass(frozen=True, slots=True)
class Component:
    """A program to run."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The addresses at which the parts of a control plane find each other."""

    programs: Path
    """The folder of etcd, kube-apiserver, …"""
    run: Path
    """Its state: certificates in `pki/`, kubeconfigs `<user>.conf`, etcd's data"""
    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self.port}"

    def etcd(self) -> Component:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, self.etcd_peer_port))
        return self._component(
            "etcd",
            "--name=test",
            f"--data-dir={self.run}/etcd",
            "--unsafe-no-fsync",  # the data is worth nothing after the run
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=test={peer}",
            "--log-level=warn",
        )

    def api_server(self, *more: str) -> Component:
        pki = self.run / "pki"
        return self._component(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            f"--advertise-address={self.address}",
            f"--bind-address={self.address}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            f"--service-cluster-ip-range={SERVICE_NETWORK}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            *more,
        )

    def controller_manager(self, *more: str) -> Component:
        pki = self.run / "pki"
        return self._component(
            "kube-controller-manager",
            *self._kubeconfigs("controller-manager"),
            f"--service-account-private-key-file={pki}/sa.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            # With the defaults (20, 30) a new cluster has its default ServiceAccount after 12 s, so after 8.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            *more,
        )

    def scheduler(self) -> Component:
        return self._component(
            "kube-scheduler",
            *self._kubeconfigs("scheduler"),
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        )

    def kubelet(self) -> Component:
        return self._component(
            "kubelet",
            f"--config={self.run}/kubelet.yaml",
            f"--kubeconfig={self.run}/kubelet.conf",
            "--hostname-override=node",
            f"--node-ip={self.address}",
        )

    def kube_proxy(self) -> Component:
        return self._component("kube-proxy", f"--config={self.run}/kube-proxy.yaml")

    def _kubeconfigs(self, user: str) -> tuple[str, ...]:
        path = self.run / f"{user}.conf"
        return (
            f"--kubeconfig={path}",
            f"--authentication-kubeconfig={path}",
            f"--authorization-kubeconfig={path}",
        )

    def _component(self, name: str, *arguments: str) -> Component:
        return Component(name, (str(self.programs / name), *arguments))
