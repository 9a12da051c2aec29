"""The way out to the world of a VPC or an isolated network, which CloudStack takes with its first machine.

Until then CloudStack makes the first address that the VPC or the network acquires its source NAT address, whoever it
was acquired for: nothing can be mapped to it any more. So it has its own before one is acquired for a machine or a
client.
"""

from collections.abc import Mapping

from ec2bridge.cloudstack.errors import CloudStackUnavailable
from ec2bridge.ec2.context import Context


async def ensure(ctx: Context, scope: Mapping[str, str]) -> None:
    """Let the VPC or network that associateIpAddress is about to name have its own address first."""
    place = {"associatednetworkid" if name == "networkid" else name: uuid for name, uuid in scope.items()}
    if await ctx.account.list("listPublicIpAddresses", issourcenat=True, **place):
        return
    try:
        row = await ctx.account.job("associateIpAddress", **scope)
    except CloudStackUnavailable:
        if await ctx.account.list("listPublicIpAddresses", issourcenat=True, **place):
            return
        raise
    if not row.get("issourcenat"):
        # Another request was faster, or the offering has no source NAT.
        await ctx.account.job("disassociateIpAddress", id=row["id"])
