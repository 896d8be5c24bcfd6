"""Addresses that no redirect and no probe leads to, however they are written."""

import pytest

from sidecar.contract.destinations import why_forbidden

LOOPBACK = "a loopback address"
LINK_LOCAL = "a link-local address"
METADATA = "the address of a cloud's metadata service"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", LOOPBACK),
        ("127.255.0.9", LOOPBACK),
        ("::1", LOOPBACK),
        ("169.254.169.254", LINK_LOCAL),
        ("169.254.0.1", LINK_LOCAL),
        ("fe80::1", LINK_LOCAL),
        ("fe80::1%eth0", LINK_LOCAL),
        ("fd00:ec2::254", METADATA),
        ("FD00:0EC2:0::0254", METADATA),
        ("fd00:ec2::23", METADATA),
        ("fd20:ce::254", METADATA),
        ("fd00:42::42", METADATA),
        ("100.100.100.200", METADATA),
        ("192.0.0.192", METADATA),
        ("168.63.129.16", METADATA),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("0.0.0.0", "the unspecified address"),
        ("0.1.2.3", "the unspecified address"),
        ("::", "the unspecified address"),
        ("255.255.255.255", "a broadcast address"),
        # the same within IPv6: mapped, compatible, NAT64, 6to4
        ("::ffff:127.0.0.1", LOOPBACK),
        ("::ffff:a9fe:a9fe", LINK_LOCAL),
        ("::ffff:100.100.100.200", METADATA),
        ("::127.0.0.1", LOOPBACK),
        ("::169.254.169.254", LINK_LOCAL),
        ("64:ff9b::169.254.169.254", LINK_LOCAL),
        ("64:ff9b::7f00:1", LOOPBACK),
        ("64:ff9b:1::7f00:1", LOOPBACK),
        ("64:ff9b:1:ffff::a9fe:a9fe", LINK_LOCAL),
        ("2002:a9fe:a9fe::1", LINK_LOCAL),
        ("2002:7f00:1::", LOOPBACK),
        ("localhost", "no IP address"),
        ("", "no IP address"),
    ],
)
def test_an_address_inside_the_node_or_its_cloud_is_forbidden(address: str, kind: str) -> None:
    assert why_forbidden(address) == kind


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "10.96.0.1",
        "fd12::1",
        "151.101.0.223",
        "2a04:4e42::223",
        "::ffff:10.0.0.7",
        "64:ff9b::10.0.0.7",
    ],
)
def test_private_and_public_addresses_are_allowed(address: str) -> None:
    assert why_forbidden(address) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [("127.0.0.1", None), ("::1", None), ("::ffff:127.0.0.1", None), ("169.254.1.1", LINK_LOCAL)],
)
def test_on_a_laptop_loopback_is_allowed_and_nothing_else(address: str, kind: str | None) -> None:
    assert why_forbidden(address, is_loopback_allowed=True) == kind
