"""CloudStack's own API for tests: what a user does there without EC2."""

from typing import Any

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from tests.conftest import Place


class Native:
    """The embedded CloudStack as one of its accounts, through the bridge's own client."""

    def __init__(self, place: Place, account: str = "alice") -> None:
        keys = place.sim.accounts[account]
        self.place = place
        self.account = Account(
            place.bridge.site.cloud, Credentials(keys.api_key, keys.api_key, keys.secret_key)
        )

    def list(self, command: str, **params: Any) -> list[dict[str, Any]]:
        """All rows of a listing."""
        rows: list[dict[str, Any]] = self.place.run(self.account.list(command, **params))
        return rows

    def do(self, command: str, **params: Any) -> dict[str, Any]:
        """What a command made; waits for its job."""
        made: dict[str, Any] = self.place.run(self.account.job(command, **params))
        return made

    def zone(self, name: str) -> str:
        """The uuid of a zone."""
        return str(self.list("listZones", name=name)[0]["id"])

    def offering(self, command: str, name: str) -> str:
        """The uuid of an offering of any sort."""
        return str(next(row["id"] for row in self.list(command) if row["name"] == name))

    def template(self) -> str:
        """The uuid of the featured template."""
        return str(self.list("listTemplates", templatefilter="featured")[0]["id"])

    def isolated(self, name: str, **params: Any) -> dict[str, Any]:
        """A new isolated network in the advanced zone."""
        offering = self.offering("listNetworkOfferings", "DefaultIsolatedNetworkOfferingWithSourceNatService")
        zone = self.zone("sim-adv")
        return self.do(
            "createNetwork", name=name, displaytext=name, networkofferingid=offering, zoneid=zone, **params
        )

    def machine(
        self, name: str, zone: str = "sim-sg", offering: str = "t2.micro", **params: Any
    ) -> dict[str, Any]:
        """A new running machine."""
        return self.do(
            "deployVirtualMachine",
            name=name,
            zoneid=self.zone(zone),
            templateid=self.template(),
            serviceofferingid=self.offering("listServiceOfferings", offering),
            **params,
        )
