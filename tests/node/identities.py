"""The identities of a test cluster: certificates and kubeconfigs of its components, written for one run."""

from pathlib import Path

from node.certificates import Authority, kubeconfig, signing_pair
from node.components import SERVICE_IP, ControlPlane

CLIENTS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager",),
    "scheduler": ("system:kube-scheduler",),
    "kube-proxy": ("system:kube-proxy",),
    "coredns": ("system:coredns",),
    "kubelet": ("system:node:node", "system:nodes"),
}
"""User and groups by the name of the kubeconfig"""


def write(plane: ControlPlane) -> None:
    """`pki/` and `<client>.conf` in the folder of the run."""
    pki = plane.run / "pki"
    pki.mkdir(mode=0o700)
    authority = Authority.create("test")
    authority.pair.write(pki, "ca")
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    addresses = {"127.0.0.1", plane.address, SERVICE_IP}
    authority.server("kube-apiserver", *names, *sorted(addresses)).write(pki, "apiserver")
    authority.server("system:node:node", "node", plane.address, groups=("system:nodes",)).write(
        pki, "kubelet"
    )
    authority.client("kube-apiserver", "system:masters").write(pki, "kubelet-client")
    _write_front_proxy(pki)
    private, public = signing_pair()
    (pki / "sa.key").write_bytes(private)
    (pki / "sa.pub").write_bytes(public)
    for name, (user, *groups) in CLIENTS.items():
        client = authority.client(user, *groups)
        (plane.run / f"{name}.conf").write_text(kubeconfig(plane.server, authority, client))


def _write_front_proxy(pki: Path) -> None:
    """An authority of its own: a holder of its leaf may name any user."""
    front = Authority.create("front-proxy")
    front.pair.write(pki, "front-proxy-ca")
    front.client("front-proxy-client").write(pki, "front-proxy-client")
