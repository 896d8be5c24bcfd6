"""Addresses that no other party may make us connect to, by any name. Pure.

A redirect names an address for the proxy. The author of a Connector names an address for the probe, whose
process may read Secrets. Private ranges stay allowed: most registries are in the cluster or in the company's
network.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

# outside 169.254.0.0/16: Alibaba, Oracle, Azure's wire server; over IPv6 AWS and its Pod identities, Google,
# Scaleway
_METADATA = frozenset(
    {
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:42::42",
    }
)

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
"""RFC 6052, RFC 8215"""
_COMPATIBLE = IPv6Network("::/96")


def why_forbidden(text: str, *, is_loopback_allowed: bool = False) -> str | None:
    """The kind of a forbidden address, for a sentence; None if the address is allowed."""
    try:
        address: Address = _unwrapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return "no IP address"
    kinds = (
        ("the address of a cloud's metadata service", str(address) in _METADATA),
        ("a loopback address", address.is_loopback and not is_loopback_allowed),
        ("a link-local address", address.is_link_local),
        ("a multicast address", address.is_multicast),
        ("the unspecified address", address.is_unspecified or _is_this_network(address)),
        ("a broadcast address", str(address) == "255.255.255.255"),
    )
    return next((kind for kind, applies in kinds if applies), None)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address within an IPv6 address: packets go there in the end."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour or address
    # ::1 and :: are IPv6's own
    if any(address in network for network in _NAT64) or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_this_network(address: Address) -> bool:
    """RFC 1122 §3.2.1.3: 0.0.0.0/8; Linux takes some of these addresses for the machine itself."""
    return isinstance(address, IPv4Address) and address.packed[0] == 0
