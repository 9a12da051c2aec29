"""The cells that CI runs: some of each kind of story, chosen once and for all."""

import hashlib

from tests.faults.cells import Cell

SCENARIOS = (
    "AttachVolume",
    "AuthorizeSecurityGroupIngress (on an address)",
    "CreateDefaultSubnet",
    "CreateKeyPair",
    "CreateNetworkAcl",
    "CreatePlacementGroup",
    "CreateSecurityGroup (in a VPC)",
    "CreateSubnet",
    "CreateVolume",
    "CreateVpc",
    "CreateVpnConnection",
    "DeleteSnapshot",
    "DeleteTags",
    "DeleteVpc",
    "DetachVolume",
    "DisassociateAddress",
    "ReplaceNetworkAclEntry",
    "RunInstances (where groups are CloudStack's)",
)
ONE_IN = 3
CELLS = frozenset(
    {
        "AttachNetworkInterface · addNicToVirtualMachine#1 · job-hangs",
        "AuthorizeSecurityGroupEgress · authorizeSecurityGroupEgress#2 · job-hangs",
        "AuthorizeSecurityGroupIngress · createTags#1 · job-fails",
        "CreateNatGateway · updateVPC#1 · lost",
        "CreateNetworkAclEntry (on the default list) · createNetworkACL#5 · refused",
        "CreateVpnConnectionRoute · createVpnConnection#1 · killed-before",
        "DeleteKeyPair · deleteSSHKeyPair#1 · killed-after",
        "DeleteVpnConnectionRoute · updateVpnCustomerGateway#1 · refused",
        "RevokeSecurityGroupIngress · revokeSecurityGroupIngress#2 · refused",
        "UnassignPrivateIpAddresses · removeIpFromNic#2 · killed-after",
        "UnassignPrivateIpAddresses · removeIpFromNic#2 · refused",
    }
)
"""Single cells of other scenarios, which did not hold once."""


def names() -> list[str]:
    """The scenarios that have cells in the sample."""
    return sorted({*SCENARIOS, *(cell.partition(" · ")[0] for cell in CELLS)})


def is_in(cell: Cell) -> bool:
    """Whether a cell is of the sample; the same cells each time."""
    return str(cell) in CELLS or (cell.scenario in SCENARIOS and _is_drawn(cell))


def _is_drawn(cell: Cell) -> bool:
    return int(hashlib.sha256(str(cell).encode()).hexdigest(), 16) % ONE_IN == 0
