"""The Elastic IP of each NIC, as CloudStack tells it from 4.19 on.

Before, a machine's row has one public address and does not say whose of its NICs it is: the address's own row does.
"""

from collections.abc import Mapping
from typing import Any

from ec2bridge.ec2.context import Context

Row = dict[str, Any]


async def on_nics(ctx: Context, rows: list[Row]) -> list[Row]:
    """Return machines whose NICs have `publicip` and `publicipid`; one more listing where they do not tell."""
    if not any(map(_is_untold, rows)):
        return rows
    mapped = await ctx.account.list("listPublicIpAddresses", isstaticnat=True)
    by_nic = {
        (row["virtualmachineid"], row.get("associatednetworkid"), row.get("vmipaddress")): {
            "publicip": row["ipaddress"],
            "publicipid": row["id"],
        }
        for row in mapped
        if row.get("virtualmachineid")
    }
    return [_completed(row, by_nic) if _is_untold(row) else row for row in rows]


def _is_untold(row: Row) -> bool:
    return bool(row.get("publicip")) and not any(nic.get("publicip") for nic in row.get("nic", ()))


def _completed(row: Row, by_nic: Mapping[tuple[Any, ...], Row]) -> Row:
    nics = [
        {**nic, **by_nic.get((row["id"], nic["networkid"], nic.get("ipaddress")), {})}
        for nic in row.get("nic", ())
    ]
    return {**row, "nic": nics}
