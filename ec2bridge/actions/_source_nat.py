"""A VPC's own way out to the world, which CloudStack takes when it first starts the VPC's router.

The bridge makes VPCs that are not started, and CloudStack makes the first address that such a VPC acquires its source
NAT address, whoever it was acquired for: nothing can be mapped to it any more. So a VPC has its own before it acquires
one for a machine or a client.
"""

from collections.abc import Mapping

from ec2bridge.actions._context import Context


async def ensure(ctx: Context, scope: Mapping[str, str]) -> None:
    """Let a VPC that associateIpAddress is about to name have its own address first."""
    vpc = scope.get("vpcid")
    if vpc is None or await ctx.account.list("listPublicIpAddresses", vpcid=vpc, issourcenat=True):
        return
    row = await ctx.account.job("associateIpAddress", vpcid=vpc)
    if not row.get("issourcenat"):
        # Another request was faster, or the VPC's offering has no source NAT.
        await ctx.account.job("disassociateIpAddress", id=row["id"])
