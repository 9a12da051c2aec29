"""Many machines at once, for measurements: the rows that deploys would have left, without the jobs."""

from __future__ import annotations

from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.tables import Row


def populate(cloud: Cloud, account: str, machines: int) -> list[Row]:
    """That many running machines of the account in the security-group zone."""
    return [cloud.tables["machines"].add({"account": account}) for _ in range(machines)]
