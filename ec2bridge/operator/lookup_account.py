"""The look-up account: a role with the commands that the bridge needs, an account with that role, its keys.

From 4.23 on CloudStack shows a key's secret only to an account whose own rights include those of the key's owner,
so the role has the rules of the users' role besides. With an administrator's keys all is made at once; without, the
same is printed as commands for CloudMonkey.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Any

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.config import SettingsError

Row = dict[str, Any]

NAME = "ec2bridge"
_UNKNOWN = re.compile(r"Invalid api name: (\S+) provided in rules")
"""What importRole says of a rule for a command that it has not got (4.15 and later)."""
USERS_ROLE = "User"
OWN = (
    ("getUser", "finds the owner of an access key (before 4.23)"),
    ("getUserKeys", "reads the secret of an access key (before 4.23)"),
    ("listUserKeys", "reads the secret of an access key (from 4.23 on)"),
    ("listApis", "what this account may do"),
    ("listCapabilities", "the release, and whether CloudStack answers"),
    ("listUsers", "ec2bridge check: what this account is"),
    ("listZones", "one letter a zone for all users"),
    ("listNetworks", "ec2bridge check: the default networks"),
    ("listVlanIpRanges", "the ranges of a basic zone, which are given pod by pod"),
    ("listNetworkOfferings", "ec2bridge check: the network offering"),
    ("listServiceOfferings", "ec2bridge check: instance types"),
    ("listDiskOfferings", "ec2bridge check: volume types"),
    ("listVirtualMachines", "is a machine destroyed that is to be expunged?"),
    ("listPublicIpAddresses", "does the store belong to this cloud?"),
    ("expungeVirtualMachine", "frees what a terminated machine held, where users may not"),
    ("queryAsyncJobResult", "the end of an expunge"),
)
"""The commands that the bridge itself calls with these keys, and what for."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, for the operator to read."""

    keys: Credentials
    account: str
    role: str
    rules: int


async def make(administrator: Account, name: str = NAME, users_role: str = USERS_ROLE) -> Made:
    """Make role, account and keys with an administrator's keys; raises SettingsError with a sentence."""
    try:
        await _free(administrator, name)
        rules = await _rules(administrator, users_role)
        role = await _role(administrator, name, rules)
        user = await _account(administrator, name, role["id"])
        keys = await administrator.job("registerUserKeys", id=user["id"])
    except CloudStackError as error:
        raise SettingsError(
            f"The look-up account cannot be made: CloudStack answered {error.errorcode or error.status} to"
            f" {error.command}: {error.errortext}. It takes the keys of a root administrator; what was made so far is"
            f" named {name}."
        ) from None
    return Made(
        Credentials(keys["apikey"], keys["apikey"], keys["secretkey"]), name, role["name"], len(rules)
    )


async def _free(administrator: Account, name: str) -> None:
    """Refuse a name that a role or an account has."""
    roles = [row for row in await administrator.list("listRoles", name=name) if row["name"] == name]
    accounts = await administrator.list("listAccounts", name=name, listall=True)
    if roles or [row for row in accounts if row["name"] == name]:
        raise SettingsError(
            f"There is a role or an account {name} already: use its keys (--service-api-key), remove it, or name"
            " another with --account-name."
        )


async def _rules(administrator: Account, users_role: str) -> list[Row]:
    roles = [
        row for row in await administrator.list("listRoles", name=users_role) if row["name"] == users_role
    ]
    if not roles:
        raise SettingsError(f"There is no role {users_role}: name the role of your users with --users-role.")
    answer = await administrator.call("listRolePermissions", roleid=roles[0]["id"])
    own = {command: f"ec2bridge: {why}" for command, why in OWN}
    rules = [{"rule": command, "permission": "allow", "description": why} for command, why in own.items()]
    # In the role's own order, since the first rule that fits decides.
    rules += [
        {
            "rule": row["rule"],
            "permission": str(row["permission"]).lower(),
            "description": row.get("description"),
        }
        for row in answer.get("rolepermission", ())
        if row["rule"] not in own
    ]
    return rules


async def _role(administrator: Account, name: str, rules: list[Row]) -> Row:
    """Make the role; rules for commands that the release has not got, which old roles have, are left out of `rules`."""
    while True:
        try:
            answer = await administrator.call(
                "importRole", name=name, type="Admin", description="ec2bridge's look-up account", rules=rules
            )
        except CloudStackError as error:
            unknown = _UNKNOWN.search(error.errortext)
            left = [rule for rule in rules if unknown is None or rule["rule"] != unknown[1]]
            if len(left) == len(rules):
                raise
            rules[:] = left
        else:
            role: Row = answer["role"]
            return role


async def _account(administrator: Account, name: str, role: str) -> Row:
    answer = await administrator.call(
        "createAccount",
        username=name,
        # Nobody signs in with it: the keys are all that is used.
        password=secrets.token_urlsafe(32),
        email=f"{name}@localhost",
        firstname=name,
        lastname="look-up",
        account=name,
        roleid=role,
    )
    user: Row = answer["account"]["user"][0]
    return user


def commands(name: str = NAME, users_role: str = USERS_ROLE) -> str:
    """Return the CloudMonkey commands that make the same, for a shell with `cmk` and `jq`."""
    own = "\n".join(
        f"cmk create rolepermission roleid=$ROLE permission=allow rule={command} || true  # {why}"
        for command, why in OWN
    )
    skipped = "|".join(command for command, _ in OWN)
    return f"""\
# Makes the account that looks up users' keys. Needs a CloudMonkey (cmk) with a root administrator's profile, and jq.
# A command that your release has not got is refused (listUserKeys before 4.23), which does no harm here.
set -e
cmk() {{ command cmk -o json "$@"; }}
ROLE=$(cmk create role name={name} type=Admin description="ec2bridge's look-up account" | jq -r .role.id)
{own}
# From 4.23 on a secret is shown only to an account that may do all that the key's owner may: the users' rules, too.
USERS=$(cmk list roles name="{users_role}" | jq -r '.role[] | select(.name == "{users_role}").id')
cmk list rolepermissions roleid=$USERS | jq -r '.rolepermission[] | "\\(.rule) \\(.permission)"' |
  grep -Ev '^({skipped}) ' | while read -r RULE PERMISSION; do
    cmk create rolepermission roleid=$ROLE rule="$RULE" permission="$PERMISSION" < /dev/null || true
  done
OWNER=$(cmk create account username={name} account={name} firstname={name} lastname=look-up \\
  email={name}@localhost password="$(head -c 24 /dev/urandom | base64)" roleid=$ROLE | jq -r '.account.user[0].id')
cmk register userkeys id=$OWNER | jq -r '.userkeys |
  "EC2BRIDGE_SERVICE_API_KEY=\\(.apikey)", "EC2BRIDGE_SERVICE_SECRET_KEY=\\(.secretkey)"'
"""
