"""What `check` asks CloudStack with the look-up account: whether it answers, what it is, what the account may."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

from ec2bridge.cloudstack.account import Account
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.config import Settings
from ec2bridge.ec2 import releases
from ec2bridge.mapping import MappingError, load_mappings
from ec2bridge.operator.findings import Finding, bad, note, ok
from ec2bridge.operator.offerings import match
from ec2bridge.operator.standing import is_there
from ec2bridge.resources.places.ranges import is_untold
from ec2bridge.serving import belonging
from ec2bridge.store import StoreError

Row = dict[str, Any]
Look = Callable[[Settings, Account], Awaitable[Finding | Iterable[Finding]]]

LEAST_VERSION = (4, 18)
UNVERIFIED = 401
CLOCK_TOLD, CLOCK_WRONG = 30.0, 300.0
"""Seconds: CloudStack's own signatures are allowed for; AWS's are good for fifteen minutes."""
ADMINISTRATORS = ("listHosts", "listConfigurations", "createAccount", "updateConfiguration")


def refused(error: CloudStackError) -> str:
    """Return what CloudStack answered, with what that means."""
    answer = f"CloudStack answered {error.errorcode} {error.errortext}"
    if error.errorcode != UNVERIFIED:
        return answer
    return f"{answer}: the API key is unknown or disabled, or the secret key is not its own"


async def answers(settings: Settings, account: Account) -> Finding:
    """Look whether CloudStack answers to the keys."""
    await account.capabilities()
    return ok(settings.cloudstack_url)


async def clock(settings: Settings, account: Account) -> Finding:
    """Look at CloudStack's clock and this one."""
    offset = account.cloudstack.clock_offset
    if abs(offset) < CLOCK_TOLD:
        return ok("CloudStack's and this machine's agree")
    way = "ahead of" if offset > 0 else "behind"
    text = f"CloudStack's is {timedelta(seconds=round(abs(offset)))} {way} this machine's"
    fix = (
        "set both by NTP (`timedatectl` tells): CloudStack's is allowed for, but AWS clients sign by this one"
    )
    return bad(text, fix) if abs(offset) > CLOCK_WRONG else note(text, fix)


async def version(settings: Settings, account: Account) -> Finding:
    """Look at the release."""
    found = str((await account.capabilities()).get("cloudstackversion", ""))
    parts = tuple(int(part) for part in found.split("-")[0].split(".")[:2] if part.isdigit())
    if parts < LEAST_VERSION:
        return bad(f"{found} is older than 4.18, the oldest that ec2bridge supports", "upgrade CloudStack")
    lacking = [f"{need.what} ({need.since})" for need in releases.missing(found)]
    return ok(f"{found}, where what needs a later one is refused: {', '.join(lacking)}" if lacking else found)


async def zones(settings: Settings, account: Account) -> list[Finding]:
    """Look at the names of zones."""
    rows = await account.list("listZones")
    known = {row["id"] for row in rows} | {row["name"] for row in rows}
    found = []
    unknown = [f"{name} = {target}" for name, target in settings.zones.items() if target not in known]
    if unknown:
        found.append(
            bad(
                f"the settings name zones that the cloud does not have: {', '.join(unknown)}",
                f"the cloud has {', '.join(sorted(row['name'] for row in rows)) or 'none'}: correct zones",
            )
        )
    named = set(settings.zones.values())
    missing = [row["name"] for row in rows if settings.zones and not named & {row["id"], row["name"]}]
    if missing:
        found.append(
            bad(
                f"zones without a name in the settings, which clients see under CloudStack's own: {', '.join(missing)}",
                "add a name for each to zones, and never change one that clients know",
            )
        )
    if not rows:
        found.append(bad("the account sees no zone", "enable a zone, or see which domain it is dedicated to"))
    return found or [ok(", ".join(row["name"] for row in rows))]


async def offering(settings: Settings, account: Account) -> Finding:
    """Look for the network offering of the settings, as a launch would."""
    wanted = settings.network_offering
    if wanted is None:
        return ok("none in the settings: the oldest that fits")
    rows = await account.list("listNetworkOfferings", state="Enabled")
    row = next((row for row in rows if wanted in (row["id"], row["name"])), None)
    fit = [row["name"] for row in rows if row.get("guestiptype") == "Isolated" and not row.get("forvpc")]
    fix = f"name one for isolated networks outside VPCs: {', '.join(fit) or 'there is none; make one'}"
    if row is None:
        return bad(f"there is no enabled network offering {wanted!r}", fix)
    if row.get("guestiptype") != "Isolated" or row.get("forvpc"):
        return bad(
            f"{wanted!r} is for {row.get('guestiptype')} networks{' of VPCs' if row.get('forvpc') else ''}",
            fix,
        )
    return ok(str(row["name"]))


async def networks(settings: Settings, account: Account) -> list[Finding]:
    """Look for the zones of the default networks, and the networks as far as the look-up account sees them."""
    if not settings.default_networks:
        return [ok("none in the settings: a zone's oldest")]
    rows = await account.list("listZones")
    zone_of = {name: row["id"] for row in rows for name in (row["id"], row["name"])}
    seen = {row["id"]: row for row in await account.list("listNetworks", listall=True)}
    found = []
    for zone, network in settings.default_networks.items():
        if zone not in zone_of:
            found.append(
                bad(f"default_networks names the zone {zone!r}, which there is not", "a zone's name or uuid")
            )
        elif network not in seen:
            found.append(
                note(
                    f"default_networks: the look-up account does not see {network}",
                    f"`cmk list networks id={network}` tells whether it exists; users must see it",
                )
            )
        elif seen[network]["zoneid"] != zone_of[zone]:
            found.append(bad(f"default_networks: {network} is not in {zone}", "name a network of that zone"))
        elif seen[network].get("vpcid") or not (seen[network].get("cidr") or is_untold(seen[network])):
            found.append(
                bad(
                    f"default_networks: {network} is a VPC's or has no addresses",
                    "name an isolated or shared network",
                )
            )
    return found or [ok(f"{len(settings.default_networks)} as they should be")]


async def types(settings: Settings, account: Account) -> list[Finding]:
    """Look which of AWS's types the offerings serve, and which offerings none stands for."""
    try:
        tables = load_mappings(settings.mappings)
    except MappingError:
        return []  # told among the mappings
    found = match(tables, await account.list("listServiceOfferings"))
    findings = []
    if found.types:
        findings.append(ok(f"{len(found.types)} of AWS's, by {len(found.serving)} offerings"))
    else:
        findings.append(
            bad(
                "no service offering has the size of any AWS type: clients can launch by offerings' own names alone",
                "make offerings of AWS's sizes (t3.small: 2 CPUs, 2048 MiB), one customised offering with limits, or"
                " add their sizes to a table of your own (setting mappings)",
            )
        )
    if found.unmatched:
        findings.append(
            note(
                f"offerings that only their own names stand for: {', '.join(row['name'] for row in found.unmatched)}",
                "add a family with their size to instance-types.yaml in a folder that mappings names",
            )
        )
    return findings


async def reads_keys(settings: Settings, account: Account) -> Finding:
    """Look whether the look-up account sees users' keys."""
    if settings.service_api_key is None:
        return ok("none: keys stand in a file")
    own = account.credentials.api_key
    users = await account.list("listUsers")
    kind = next(
        (user.get("roletype") for user in users if user.get("apikey") == own),
        users[0].get("roletype") if users else None,
    )
    make = "`ec2bridge init --show-commands` prints the commands that make a role and an account for it"
    if kind != "Admin":
        return bad(f"its role is of type {kind}, which does not show other users' keys", make)
    commands = await account.apis()
    if "apikeyfilter" in commands.get("listUserKeys", ()):
        return ok("listUserKeys")
    if "getUser" in commands and "getUserKeys" in commands:
        return ok("getUser and getUserKeys")
    return bad("its role allows neither listUserKeys nor getUser with getUserKeys", make)


async def reads_no_more(settings: Settings, account: Account) -> Finding:
    """Look whether the look-up account has rights that are not its business."""
    if settings.service_api_key is None:
        return ok("none: keys stand in a file")
    extra = sorted(set(ADMINISTRATORS) & set(await account.apis()))
    if extra:
        return bad(
            f"its role also allows {', '.join(extra)}: whoever gets its keys has the cloud",
            "give it a role of its own: `ec2bridge init --show-commands` prints the commands",
        )
    return ok("no administrator's commands")


async def releasing(settings: Settings, account: Account) -> Finding:
    """Look who may expunge; whether users may is not to be seen here, CloudStack tells an Admin that it may."""
    if not settings.expunge:
        return ok(
            "the settings keep the bridge from expunging: where users may not, CloudStack frees networks later"
        )
    if settings.service_api_key is None:
        return note(
            "without a look-up account machines are expunged only where users may",
            "allow.user.expunge.recover.vm",
        )
    if "expungeVirtualMachine" not in await account.apis():
        return bad(
            "the look-up account may not expunge where users may not",
            "cmk create rolepermission roleid=ITS-ROLE rule=expungeVirtualMachine permission=allow",
        )
    return ok("the look-up account expunges where users may not")


async def belongs(settings: Settings, account: Account) -> Finding:
    """Look whether the store is the one that this cloud's things were written down in."""
    if not is_there(settings.store):
        return ok("nothing lies there yet")
    try:
        found = await belonging.compared(settings.store, account)
    except StoreError as error:
        return note(f"not compared: {str(error).rstrip('.')}")  # told among the looks at the store
    if found:
        return bad(
            "; ".join(found), "ec2bridge store restore BACKUP, or name the store that belongs to this cloud"
        )
    return ok("what this cloud was told to keep in it is there")


LOOKS: tuple[tuple[str, Look, tuple[str, ...]], ...] = (
    ("CloudStack answers", answers, ("cloudstack_url",)),
    ("the clock", clock, ()),
    ("its version", version, ()),
    ("zones", zones, ("zones",)),
    ("the look-up account reads users' keys", reads_keys, ()),
    ("it does not read more than it should", reads_no_more, ()),
    ("termination releases what a machine held", releasing, ("expunge",)),
    ("the store belongs to this cloud", belongs, ()),
    ("the network offering", offering, ("network_offering",)),
    ("the default networks", networks, ("default_networks",)),
    ("instance types", types, ()),
)
"""Title, look, and the settings that it is about. The first must succeed for the rest."""
