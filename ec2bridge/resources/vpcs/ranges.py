"""The ranges of VPCs and subnets, as AWS takes them."""

import ipaddress
from typing import Any

from ec2bridge.ec2 import values
from ec2bridge.errors import Ec2Error

Row = dict[str, Any]


LARGEST, SMALLEST = 16, 28
"""Prefix lengths between which AWS takes the ranges of VPCs and subnets."""


def cidr_block(text: str, code: str) -> ipaddress.IPv4Network:
    """Return a CidrBlock in canonical form, as AWS does with 10.1.2.3/16; `code` is for a size that AWS has not."""
    if not text:
        raise Ec2Error("MissingParameter", "The request must contain the parameter cidrBlock")
    network = values.cidr_block(ipaddress.IPv4Network, text, "cidrBlock")
    if not LARGEST <= network.prefixlen <= SMALLEST:
        raise Ec2Error(code, f"The CIDR '{text}' is invalid.")
    return network
