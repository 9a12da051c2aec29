"""The world a cloud starts with: three zones, offerings, images, and the accounts.

`seed.json` holds the rows as a CloudStack 4.23 listed them; what is added here are accounts, and offerings and images
enough to show EC2's types and several operating systems.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ec2bridge.simulator.tables import Row, Tables

ROOT_DOMAIN = "d83d7e0d-e735-11f1-b15c-02fc00000001"
CREATED = "2026-11-23T12:22:00+0000"
ROOT = {"domainid": ROOT_DOMAIN, "domain": "ROOT", "domainpath": "ROOT"}
PUBLIC_RANGE = ("192.168.2.0/24", "192.168.2.1", 2, 250)

ROLES = [
    {"id": "da5b172a-e735-11f1-b15c-02fc00000001", "name": "Root Admin", "type": "Admin", "_rules": ["*"]},
    {"id": "da5b373b-e735-11f1-b15c-02fc00000001", "name": "User", "type": "User", "_rules": ["@User"]},
    {
        "id": "5f0c7a52-6a4e-4d53-9f2c-0d6c1f4f3f01",
        "name": "Key Look-up",
        "type": "Admin",
        "_rules": ["@User", "getUser", "getUserKeys", "listUserKeys"],
    },
    {
        "id": "5f0c7a52-6a4e-4d53-9f2c-0d6c1f4f3f02",
        "name": "Key Look-up, too narrow",
        "type": "Admin",
        "_rules": ["getUser", "getUserKeys", "listUserKeys"],
    },
]


def demo_key(text: str) -> str:
    """A key of the shape that CloudStack makes: 86 characters of URL-safe base64, the same in every demo."""
    return base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class AccountSeed:
    name: str
    role: str = "User"
    api_key: str = ""
    secret_key: str = ""
    account_id: str = ""
    user_id: str = ""

    def filled(self) -> AccountSeed:
        return replace(
            self,
            api_key=self.api_key or demo_key(f"{self.name} api key"),
            secret_key=self.secret_key or demo_key(f"{self.name} secret key"),
            account_id=self.account_id or str(uuid5(NAMESPACE_URL, f"account/{self.name}")),
            user_id=self.user_id or str(uuid5(NAMESPACE_URL, f"user/{self.name}")),
        )


ACCOUNTS = (
    AccountSeed("admin", "Root Admin"),
    AccountSeed("alice"),
    AccountSeed("bob"),
    AccountSeed("keylookup", "Key Look-up"),
)

# name, CPUs, MHz, MiB
OFFERINGS = (
    ("t2.nano", 1, 500, 512),
    ("t3.micro", 2, 1000, 1024),
    ("t3.small", 2, 1000, 2048),
    ("t3.medium", 2, 1000, 4096),
    ("m5.xlarge", 4, 2000, 16384),
    ("c5.large", 2, 2000, 4096),
)
# name, operating system, MiB
IMAGES = (
    ("Ubuntu 22.04 LTS", "Ubuntu 22.04 LTS", 2252),
    ("Debian GNU/Linux 12", "Debian GNU/Linux 12 (64-bit)", 2048),
    ("Rocky Linux 9", "Rocky Linux 9", 10240),
    ("Windows Server 2022", "Windows Server 2022 (64-bit)", 32768),
)


@lru_cache(maxsize=1)
def load_facts() -> dict[str, Any]:
    text = resources.files("ec2bridge.simulator").joinpath("seed.json").read_text("utf-8")
    facts: dict[str, Any] = json.loads(text)
    return facts


@dataclass(frozen=True)
class Seed:
    """What to plant. `extra_offerings`/`extra_images` False leaves only the recorded rows."""

    accounts: tuple[AccountSeed, ...] = ACCOUNTS
    facts: dict[str, Any] = field(default_factory=load_facts)
    extra_offerings: bool = True
    extra_images: bool = True
    rows: dict[str, list[Row]] = field(default_factory=dict)


def plant(tables: Tables, seed: Seed) -> None:
    """Fill the tables of a new cloud."""
    facts: dict[str, Any] = json.loads(json.dumps(seed.facts))
    for kind in ("zones", "networkofferings", "vpcofferings", "diskofferings", "serviceofferings"):
        for row in facts[kind]:
            tables[kind].add(row)
    for kind in ("oscategories", "ostypes", "templates", "networks"):
        for row in facts[kind]:
            tables[kind].add(row)
    _plant_identities(tables, seed.accounts)
    _place_templates(tables)
    if seed.extra_offerings:
        _plant_offerings(tables)
    if seed.extra_images:
        _plant_images(tables)
    for kind, rows in json.loads(json.dumps(seed.rows)).items():
        for row in rows:
            tables[kind].add(row)


def _plant_identities(tables: Tables, accounts: tuple[AccountSeed, ...]) -> None:
    tables["domains"].add({"id": ROOT_DOMAIN, "name": "ROOT", "path": "ROOT", "level": 0, "state": "Active"})
    for role in ROLES:
        tables["roles"].add(dict(role))
    for account in accounts:
        plant_account(tables, account.filled())


def plant_account(tables: Tables, account: AccountSeed) -> None:
    """An account with one user of the same name and one key."""
    role = next(row for row in tables["roles"] if row["name"] == account.role)
    kind = 1 if role["type"] == "Admin" else 0
    shared = {"accounttype": kind, "roleid": role["id"], "roletype": role["type"], "rolename": role["name"]}
    place = {"domainid": ROOT_DOMAIN, "domain": "ROOT"}
    born = {} if account.name == "admin" else {"created": CREATED}
    default = {"isdefault": account.name == "admin", "state": "enabled"}
    tables["accounts"].add(
        {
            "id": account.account_id,
            "name": account.name,
            **shared,
            **place,
            "domainpath": "ROOT",
            **born,
            **default,
        }
    )
    tables["users"].add(
        {
            "id": account.user_id,
            "username": account.name,
            "firstname": account.name.title(),
            "lastname": "Demo",
            "email": f"{account.name}@example.test",
            "created": CREATED,
            "account": account.name,
            "accountid": account.account_id,
            "usersource": "native",
            **shared,
            **place,
            **default,
        }
    )
    plant_key(tables, tables["users"].known(account.user_id) or {}, account.api_key, account.secret_key)


def plant_key(tables: Tables, user: Row, api_key: str, secret_key: str) -> Row:
    """One more key pair of a user."""
    number = len(tables["userkeys"]) + 1
    return tables["userkeys"].add(
        {
            "name": f"{number} - API key pair",
            "apikey": api_key,
            "secretkey": secret_key,
            "userid": user["id"],
            "created": CREATED,
            "state": "ENABLED",
        }
    )


def _place_templates(tables: Tables) -> None:
    """A template is one row here; listings show it once a zone where it is (`_zones`)."""
    zones = [zone["id"] for zone in tables["zones"]]
    for template in tables["templates"]:
        _plant_os_type(tables, template)
        template["_zones"] = zones
        template["_permissions"] = []
        template.pop("zoneid", None)
        template.pop("zonename", None)
        template.pop("downloaddetails", None)
        template.pop("status", None)
        tables["templates"].save(template)


def _plant_os_type(tables: Tables, template: Row) -> None:
    """The OS type of a template, where the recorded page of the types does not have it."""
    if template["ostypeid"] not in tables["ostypes"]:
        name = template["ostypename"]
        tables["ostypes"].add(
            {
                "id": template["ostypeid"],
                "name": name,
                "description": name,
                "isuserdefined": False,
                "fordisplay": True,
            }
        )


def _plant_offerings(tables: Tables) -> None:
    model = tables["serviceofferings"].first(name="t2.micro") or {}
    for name, cpus, speed, memory in OFFERINGS:
        if tables["serviceofferings"].first(name=name) is None:
            row = {
                **model,
                "id": str(uuid5(NAMESPACE_URL, f"offering/{name}")),
                "name": name,
                "displaytext": name,
            }
            row.pop("_number", None)
            row.update(
                cpunumber=cpus,
                cpuspeed=speed,
                memory=memory,
                diskofferingname=name,
                diskofferingdisplaytext=name,
            )
            tables["serviceofferings"].add(row)


def _plant_images(tables: Tables) -> None:
    model = tables["templates"].first(templatetype="BUILTIN") or {}
    for name, system, size in IMAGES:
        os_type = tables["ostypes"].first(name=system) or tables["ostypes"].add(
            {
                "id": str(uuid5(NAMESPACE_URL, f"ostype/{system}")),
                "name": system,
                "description": system,
                "isuserdefined": False,
                "fordisplay": True,
            }
        )
        row = {
            **model,
            "id": str(uuid5(NAMESPACE_URL, f"template/{name}")),
            "name": name,
            "displaytext": name,
        }
        row.pop("_number", None)
        row.update(ostypeid=os_type["id"], ostypename=system, size=size << 20, physicalsize=size << 20)
        tables["templates"].add(row)


DEFAULT_SEED = Seed()
