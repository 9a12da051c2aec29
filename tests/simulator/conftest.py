"""Accounts of an embedded CloudStack, as the bridge's own client sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.endpoint import CloudStack
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.simulator.server import Simulator


@dataclass
class Clients:
    """One client an account, and the ids that most tests start from."""

    cloud: CloudStack
    sim: Simulator

    def __getattr__(self, name: str) -> Account:
        keys = self.sim.accounts[name]
        return Account(self.cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key))

    def id(self, table: str, name: str) -> str:
        """The id of what the cloud started with: `id("zones", "sim-adv")`."""
        row = self.sim.cloud.tables[table].first(name=name)
        assert row is not None
        return str(row["id"])

    async def isolated(self, account: Account, name: str = "iso", **params: Any) -> dict[str, Any]:
        offering = self.id("networkofferings", "DefaultIsolatedNetworkOfferingWithSourceNatService")
        zone = self.id("zones", "sim-adv")
        answer = await account.call(
            "createNetwork", name=name, displaytext=name, zoneid=zone, networkofferingid=offering, **params
        )
        return dict(answer["network"])

    async def machine(
        self, account: Account, name: str, zone: str = "sim-adv", **params: Any
    ) -> dict[str, Any]:
        template = self.sim.cloud.tables["templates"].first(templatetype="BUILTIN")
        assert template is not None
        answer = await account.job(
            "deployVirtualMachine",
            name=name,
            zoneid=self.id("zones", zone),
            templateid=template["id"],
            serviceofferingid=self.id("serviceofferings", "t2.micro"),
            **params,
        )
        return dict(answer)


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    async with Simulator(job_time=0.01, strict=True) as sim:
        cloud = CloudStack(sim.url)
        await cloud.start()
        yield Clients(cloud, sim)
        await cloud.close()


async def refusal(work: Any) -> tuple[int | None, str]:
    """The code and text with which CloudStack refuses a call or fails its job."""
    with pytest.raises(CloudStackError) as caught:
        await work
    return caught.value.errorcode, caught.value.errortext
