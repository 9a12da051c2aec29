"""How the tiers of one VPC are, and how they should be: their lists, and the groups of the machines in them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.resources.groups import security_groups
from ec2bridge.resources.groups.rules import Rule
from ec2bridge.resources.groups.security_groups import Group, Groups
from ec2bridge.resources.machines.lookup import DETAILS, group_uuids
from ec2bridge.resources.network_acls import lists as acl_lists
from ec2bridge.resources.network_acls import tier_lists, tier_rules
from ec2bridge.resources.network_acls.tier_lists import Rules, Written

Row = dict[str, Any]

GONE = ("Destroyed", "Expunging", "Error")


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier: the list that it `has`, the list that is its network ACL, and the rules `wanted` of a list of ours.

    `wanted` is None where the tier is to have its network ACL's list itself. `written` is what the present list says
    of itself when it is one of ours, and `present` its rules.
    """

    uuid: str
    has: str
    acl: str
    wanted: Rules | None
    written: Written | None
    present: Rules

    @property
    def is_settled(self) -> bool:
        """Whether the tier has what it should have."""
        if self.wanted is None:
            return self.has == self.acl
        return self.written is not None and self.written.base == self.acl and self.present == self.wanted


@dataclass(frozen=True, slots=True)
class State:
    """One VPC at one moment; `unused` are lists of ours that no tier has."""

    vpc: str
    tiers: list[Tier]
    unused: list[Written]

    @property
    def unsettled(self) -> list[Tier]:
        """The tiers that have not what they should have."""
        return [tier for tier in self.tiers if not tier.is_settled]

    def abandoned(self, stem: str = "", replaced: Collection[str] = ()) -> list[str]:
        """Those of the unused lists that nobody works on: whoever did has died over them, or they are this work's.

        A work's own are those that were written for it, by their stem, and those that tiers had before it.
        """
        return [
            one.uuid
            for one in self.unused
            if tier_lists.is_abandoned(one) or (stem and tier_lists.is_of(one, stem)) or one.uuid in replaced
        ]


async def look(
    ctx: Context, vpc: str, joining: Collection[tuple[str, str]], acls: Mapping[str, str]
) -> State:
    """Look at a VPC; `acls` gives tiers another network ACL than they have, `joining` groups to come."""
    networks, lists, machines = await asyncio.gather(
        ctx.account.list("listNetworks", vpcid=vpc),
        ctx.account.list("listNetworkACLLists", vpcid=vpc),
        ctx.account.list("listVirtualMachines", vpcid=vpc, details=DETAILS),
    )
    written = {w.uuid: w for w in map(tier_lists.read, lists) if w}
    machines = [row for row in machines if row.get("state") not in GONE and group_uuids(row)]
    members = _members(machines, joining)
    used = {row.get("aclid") for row in networks}
    rules: list[Row] = []
    known = None
    if members or used & written.keys():
        known, rules = await asyncio.gather(security_groups.groups(ctx), ctx.account.list("listNetworkACLs"))
    plan = _Plan(ctx, lists, written, rules, known, members, machines)
    # In a thread: a thousand rules take seconds, in which others are to be served.
    tiers = await asyncio.to_thread(
        lambda: [plan.tier(row, acls.get(row["id"])) for row in networks],
    )
    return State(
        vpc,
        tiers,
        [one for one in written.values() if one.uuid not in used],
    )


def _members(machines: Iterable[Row], joining: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Tier → groups of the machines in it."""
    found: dict[str, set[str]] = {}
    for row in machines:
        for nic in row.get("nic") or ():
            found.setdefault(nic["networkid"], set()).update(group_uuids(row))
    for tier, group in joining:
        found.setdefault(tier, set()).add(group)
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """Decides what each tier should have, from what CloudStack has listed."""

    ctx: Context
    lists: list[Row]
    written: Mapping[str, Written]
    rules: list[Row]
    known: Groups | None
    members: Mapping[str, set[str]]
    machines: list[Row]

    def tier(self, row: Row, other: str | None) -> Tier:
        uuid, has = row["id"], row.get("aclid") or ""
        ours = self.written.get(has)
        acl = self._chosen(other or (self._standing_for(ours) if ours else has), row["vpcid"])
        groups = self.members.get(uuid)
        wanted = None
        if groups and self._is_managed(acl) and self.ctx.settings.enforce_groups_in_vpcs:
            wanted = {egress: self._wanted(uuid, acl, groups, egress) for egress in (False, True)}
        present = [rule for rule in self.rules if ours and rule["aclid"] == has]
        return Tier(
            uuid,
            has,
            acl,
            wanted,
            ours,
            {egress: tier_rules.items(present, egress=egress) for egress in (False, True)},
        )

    def _standing_for(self, ours: Written) -> str:
        """The list that is the tier's ACL; the default one when that was deleted behind EC2's back."""
        if any(row["id"] == ours.base for row in self.lists):
            return ours.base
        return next((row["id"] for row in self.lists if acl_lists.allows_all(row)), ours.base)

    def _chosen(self, acl: str, vpc: str) -> str:
        """The list itself, or instead of the one of all VPCs that which has become this VPC's default."""
        if any(row["id"] == acl and acl_lists.allows_all(row) for row in self.lists):
            return acl_lists.made_default(self.lists, vpc) or acl
        return acl

    def _is_managed(self, acl: str) -> bool:
        row = next((row for row in self.lists if row["id"] == acl), {})
        made = (acl_lists.MADE_HERE, acl_lists.MADE_DEFAULT)
        return acl_lists.allows_all(row) or row.get("description") in made

    def _wanted(self, tier: str, acl: str, groups: set[str], egress: bool) -> list[tier_rules.Item]:
        assert self.known is not None
        own = [rule for group in self.known if group.uuid in groups for rule in self.known.effective(group)]
        allowed = tier_rules.allowed(own, self._peers(tier, own), egress=egress)
        return tier_rules.effective(self._entries(acl, egress), allowed)

    def _entries(self, acl: str, egress: bool) -> list[tier_rules.Item]:
        if any(acl_lists.allows_all(row) for row in self.lists if row["id"] == acl):
            return [tier_rules.ALLOW_ALL]
        return tier_rules.items((rule for rule in self.rules if rule["aclid"] == acl), egress=egress)

    def _peers(self, tier: str, rules: Iterable[Rule]) -> dict[str, list[str]]:
        """Group id → addresses of its machines in the VPC's other tiers, of the groups that rules name."""
        assert self.known is not None
        named = {rule.group for rule in rules if rule.group}
        return {
            group.id: [address for row in self._in(group) for address in _addresses(row, tier)]
            for group in self.known
            if group.id in named
        }

    def _in(self, group: Group) -> list[Row]:
        return [row for row in self.machines if group.uuid in group_uuids(row)]


def _addresses(machine: Row, tier: str) -> list[str]:
    """A machine's addresses in tiers other than one: within it nothing comes by the router."""
    nics = [nic for nic in machine.get("nic") or () if nic.get("vpcid") and nic["networkid"] != tier]
    found = [nic.get("ipaddress") for nic in nics]
    found += [nic.get("ip6address") for nic in nics]
    found += [second["ipaddress"] for nic in nics for second in nic.get("secondaryip") or ()]
    return [address for address in found if address]
