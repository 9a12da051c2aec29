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
        "AllocateAddress (the first of an account) · associateIpAddress#2 · refused",
        "AssociateAddress (moved to another network) · associateIpAddress#1 · job-fails",
        "AssociateAddress (moved to another network) · associateIpAddress#1 · killed-before",
        "AssociateAddress (moved to another network) · createTags#1 · job-fails",
        "AssociateAddress (taken from a machine in another network) · enableStaticNat#1 · refused",
        "AssociateDhcpOptions (the default) · queryAsyncJobResult#1 · killed-before",
        "AssociateDhcpOptions · queryAsyncJobResult#2 · killed-before",
        "AssociateIamInstanceProfile · queryAsyncJobResult#1 · killed-before",
        "AttachNetworkInterface · addNicToVirtualMachine#1 · job-hangs",
        "AttachVolume · attachVolume#1 · job-hangs",
        "AuthorizeSecurityGroupEgress · authorizeSecurityGroupEgress#2 · job-hangs",
        "AuthorizeSecurityGroupIngress · createTags#1 · job-fails",
        "CreateImage (of a running machine) · startVirtualMachine#1 · job-fails",
        "CreateNatGateway · updateVPC#1 · lost",
        "CreateNetworkAclEntry (on the default list) · createNetworkACL#5 · refused",
        "CreateSnapshot · createSnapshot#1 · job-fails",
        "CreateSnapshot · listSnapshots#1 · killed-before",
        "CreateVolume (of a snapshot) · createVolume#1 · job-fails",
        "CreateVpnConnectionRoute · createVpnConnection#1 · killed-before",
        "DeleteKeyPair · deleteSSHKeyPair#1 · killed-after",
        "DeletePlacementGroup · queryAsyncJobResult#1 · killed-before",
        "DeleteVolume · deleteVolume#1 · killed-after",
        "DeleteVpc (with all that is kept of it) · deleteSecurityGroup#2 · refused",
        "DeleteVpc (with all that is kept of it) · deleteVPC#1 · refused",
        "DeleteVpnConnection · queryAsyncJobResult#1 · killed-before",
        "DeleteVpnConnectionRoute · updateVpnCustomerGateway#1 · refused",
        "DeregisterImage · deleteTemplate#1 · job-hangs",
        "DetachVpnGateway · queryAsyncJobResult#1 · killed-before",
        "ModifyInstanceAttribute (type) · scaleVirtualMachine#1 · lost",
        "ModifyVolume (type and size) · deleteTags#1 · refused",
        "ModifyVolume · resizeVolume#1 · killed-after",
        "ReplaceIamInstanceProfileAssociation · createTags#1 · killed-before",
        "RequestSpotInstances · deployVirtualMachine#1 · job-fails",
        "RequestSpotInstances · queryAsyncJobResult#3 · killed-before",
        "RevokeSecurityGroupIngress · revokeSecurityGroupIngress#2 · refused",
        "RunInstances (into a tier, with a group) · createTags#1 · refused",
        "RunInstances (two, with a volume, a public address, a key and tags) · attachVolume#1 · job-fails",
        "StartInstances · startVirtualMachine#1 · job-fails",
        "StartInstances · startVirtualMachine#1 · killed-after",
        "StopInstances · stopVirtualMachine#1 · job-fails",
        "StopInstances · stopVirtualMachine#1 · lost",
        "TerminateInstances (with a volume, a public address and a tier) · destroyVirtualMachine#1 · refused",
        "TerminateInstances (with a volume, a public address and a tier) · expungeVirtualMachine#1 · refused",
        "UnassignPrivateIpAddresses · removeIpFromNic#2 · killed-after",
        "UnassignPrivateIpAddresses · removeIpFromNic#2 · refused",
    }
)
"""Single cells of other scenarios, which did not hold once."""


def names() -> list[str]:
    """Return the scenarios that have cells in the sample."""
    return sorted({*SCENARIOS, *(cell.partition(" · ")[0] for cell in CELLS)})


def is_in(cell: Cell) -> bool:
    """Whether a cell is of the sample; the same cells each time."""
    return str(cell) in CELLS or (cell.scenario in SCENARIOS and _is_drawn(cell))


def _is_drawn(cell: Cell) -> bool:
    return int(hashlib.sha256(str(cell).encode()).hexdigest(), 16) % ONE_IN == 0
