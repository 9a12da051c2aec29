"""All that a cloud and a store hold, written so that two runs of one story can be compared.

Every run gives what it makes other ids, names made of ids, addresses and times. So ids that were there before stand
for themselves, and new ones for what they are: an object is told by its own fields, then by those of the objects that
it names, as often as it takes.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PASSING_TABLES = frozenset({"jobs", "events", "userkeys"})
"""What records that something was done, and is no thing itself."""
FURNITURE = {
    "accounts",
    "configurations",
    "diskofferings",
    "domains",
    "networkofferings",
    "oscategories",
    "ostypes",
    "roles",
    "serviceofferings",
    "users",
    "vpcofferings",
    "zones",
}
"""What the operator has set up, and no user can change."""
OF_ITSELF = {
    "networks": frozenset({"state", "_vlan", "vlan", "broadcasturi", "_implemented"}),
    # That its machine was stopped once; whether it is, the machine's own row tells. Its further addresses have rows.
    "nics": frozenset({"_released", "_secondary"}),
}
PASSING_KINDS = ("account", "volumes-changed")
"""Kinds of the store that remember callers and that something changed, not things."""
NUMBERS = frozenset(
    {"_number", "_sequence", "version", "created", "expires", "beat", "at", "lastupdated", "jobid"}
)
"""Fields that differ from run to run, or only tell when."""
GOES_BY = "ec2bridge:id"
"""The tag by which a thing goes by the id of the one that it stands for."""
DEFAULT_LIST = "Made through EC2 as the default"
"""The description of an ACL list that a VPC's default ACL has for its own."""
OWN_WAY_OUT = "ec2bridge:own-source-nat"
"""The tag of an address that is its VPC's source NAT address when it is nobody's NAT gateway: until then it tells."""
PLACES = ("associatednetworkid", "vpcid")
SECRETS = frozenset(
    {"password", "privatekey", "fingerprint", "ipsecpsk", "macaddress", "mac", "line", "_publickey"}
)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EC2 = re.compile(r"\b([a-z]{1,10}(?:-[a-z]{1,8})*)-([0-9a-f]{17})\b")
_HEX = re.compile(r"(?<![0-9a-f])[0-9a-f]{16,64}(?![0-9a-f])")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:?\d\d|Z| GMT)?|\b1[789]\d{8}(?:\.\d+)?\b"
)
_TOKEN = re.compile(r"\btoken-\d\b")
_SUFFIX = re.compile(r"(?<=[-~])[0-9a-f]{8}(?![-0-9a-f*])")
"""What makes a name one of its own."""
_ROOT = re.compile(r"\bROOT-\d+\b")
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?!/)")

Rows = list[tuple[str, Any]]
"""Kind and content of each thing."""


class Inventory:
    """What there is at one moment: rows of the cloud and entries of the store, by kind."""

    def __init__(self, rows: Rows) -> None:
        self.rows = [*_without_tags(rows), *_tags(rows)]
        rows = self.rows
        self.ids = {found for _, row in rows for found in _UUID.findall(_text(row))}
        self.digits = {found.replace("-", "")[:17] for found in self.ids}

    def lacking(self, idents: Iterable[str]) -> set[str]:
        """Those of EC2's ids that stand for nothing that there is."""
        return {ident for ident in idents if _digits(ident) not in self.digits}

    def without(self, idents: set[str]) -> "Inventory":
        """The same without the things of these ids of EC2's, and their tags."""
        gone = {_digits(ident) for ident in idents}
        return Inventory([(kind, row) for kind, row in self.rows if _digits(_thing(row)) not in gone])

    def without_first_ways_out(self, before: "Inventory") -> "Inventory":
        """The same without the source NAT addresses of VPCs that were there before, and had none."""
        had = {row.get("vpcid") for row in before.ways_out()}
        taken = {
            row["id"]
            for row in self.ways_out()
            if row.get("vpcid") in before.ids - had and row["id"] not in before.ids
        }
        return Inventory([(kind, row) for kind, row in self.rows if _own_id(row) not in taken])

    def without_first_default_lists(self, before: "Inventory") -> "Inventory":
        """The same without the lists that VPCs' default ACLs have got: tiers have the ones that they had before.

        Their rules are what EC2 shows of a default ACL, so that whoever asks EC2 sees whether they are all the same.
        """
        made = {
            row["id"]
            for kind, row in self.rows
            if kind == "acls" and row.get("description") == DEFAULT_LIST and row["id"] not in before.ids
        }
        had = {row["id"]: row.get("aclid") for kind, row in before.rows if kind == "networks"}
        return Inventory(
            [
                (
                    kind,
                    {**row, "aclid": had.get(row["id"])} if kind == "networks" and _acl(row) in made else row,
                )
                for kind, row in self.rows
                if _own_id(row) not in made and not (kind == "aclrules" and _acl(row) in made)
            ]
        )

    def wherever_addresses_lie(self) -> "Inventory":
        """The same without the networks of addresses that serve nothing: nobody who asks EC2 sees where they lie."""
        return Inventory(
            [
                (
                    kind,
                    {name: value for name, value in row.items() if name not in PLACES}
                    if _rests(kind, row)
                    else row,
                )
                for kind, row in self.rows
            ]
        )

    def ways_out(self) -> list[Any]:
        return [row for kind, row in self.rows if kind == "addresses" and row.get("issourcenat")]

    def lines(self, known: "Inventory") -> Counter[str]:
        """One line for each thing; of ids only those of `known` stand in them as they are."""
        texts = [(kind, _plain(_text(row)), _own_id(row)) for kind, row in self.rows]
        new = {own for _, _, own in texts if own and own not in known.ids}
        labels = dict.fromkeys(new, "new")
        for _ in range(3):
            labels = {
                own: hashlib.sha256(_named(f"{kind} {text}", labels, known).encode()).hexdigest()[:8] + "*"
                for kind, text, own in texts
                if own in new
            }
        return Counter(f"{kind} {_named(text, labels, known)}" for kind, text, _ in texts)


def _without_tags(rows: Rows) -> Rows:
    return [(kind, row) for kind, row in rows if kind not in ("tags", "store:tags", "tag")]


def _tags(rows: Rows) -> Rows:
    """The tags of things, wherever they are kept: what CloudStack does not take is kept in the store."""
    found = {
        (row["resourceid"], row["key"], row.get("value") or "") for kind, row in rows if kind == "tags"
    } | {
        (row["key"].rpartition("/")[2], key, value or "")
        for kind, row in rows
        if kind == "store:tags"
        for key, value in row["value"].items()
    }
    kept = [(kind, row) for kind, row in rows if kind == "tag"]
    return kept + [("tag", {"of": ident, "key": key, "value": value}) for ident, key, value in sorted(found)]


def _rests(kind: str, row: Any) -> bool:
    return kind == "addresses" and not (row.get("issourcenat") or row.get("isstaticnat"))


def _thing(row: Any) -> str:
    """The id of the thing that a row is, or is a tag of."""
    return str(row.get("id") or row.get("of", "")) if isinstance(row, dict) else str(row)


def _digits(ident: str) -> str:
    """What CloudStack's uuids and EC2's ids have in common."""
    found = _EC2.fullmatch(ident)
    return found[2] if found else ident.replace("-", "")[:17]


def _own_id(row: Any) -> str:
    return str(row.get("id", "")) if isinstance(row, dict) else ""


def _acl(row: Mapping[str, Any]) -> Any:
    return row.get("aclid")


def _text(row: Any) -> str:
    return json.dumps(_bare(row), sort_keys=True, default=str)


def _bare(value: Any) -> Any:
    """Leave out what is different each time."""
    if isinstance(value, Mapping):
        return {
            str(name): "…" if name in SECRETS and inner else _bare(inner)
            for name, inner in value.items()
            if name not in NUMBERS and inner not in (None, "", [], {})
        }
    if isinstance(value, list | tuple):
        return [_bare(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_bare(inner)) for inner in value)
    return value


def _plain(text: str) -> str:
    text = _SUFFIX.sub("<hex>", _ROOT.sub("ROOT-n", text))
    return _ADDRESS.sub("<ip>", _TIME.sub("<time>", _TOKEN.sub("<token>", text)))


def _named(text: str, labels: Mapping[str, str], known: Inventory) -> str:
    """Put labels for ids: CloudStack's own, EC2's that are made of them, and names that hold their digits."""
    digits = {own.replace("-", "")[:17]: label for own, label in labels.items()}
    old = known.digits

    def uuid(match: re.Match[str]) -> str:
        found = match[0]
        return found if found in known.ids else labels.get(found, "<id>")

    def ec2(match: re.Match[str]) -> str:
        prefix, found = match[1], match[2]
        return match[0] if found in old else f"{prefix}-{digits.get(found, '<id>')}"

    text = _EC2.sub(ec2, _UUID.sub(uuid, text))
    return _HEX.sub(lambda match: match[0] if match[0][:17] in old else "<hex>", text)


def of_cloud(tables: Any) -> Iterator[tuple[str, Any]]:
    """Each live row of CloudStack's, with all that an administrator sees and more."""
    alive = {row["id"] for table in tables for row in table}
    said_anyway = {
        (OWN_WAY_OUT, row["id"])
        for table in tables
        if table.name == "addresses"
        for row in table
        if row.get("issourcenat")
    }
    for table in tables:
        for row in () if table.name in PASSING_TABLES | FURNITURE else table:
            # CloudStack keeps tags of some things that are gone, which no listing of things shows.
            gone = table.name == "tags" and (
                row["resourceid"] not in alive or (row["key"], row["resourceid"]) in said_anyway
            )
            if not gone and (table.name, row.get("state")) != ("addresses", "Free"):
                yield table.name, _lasting(table.name, row)


def _lasting(kind: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row without what comes and goes by itself: a network is implemented while machines use it."""
    left_out = OF_ITSELF.get(kind, frozenset())
    return {name: value for name, value in row.items() if name not in left_out} if left_out else row


def of_store(rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Each entry of the store that stands for a thing: what has an end is a memory of one."""
    for row in rows:
        if row["expires"] is None and row["kind"] not in PASSING_KINDS:
            value = json.loads(row["value"])
            yield f"store:{row['kind']}", {"key": row["key"], "account": row["account"], "value": value}


def renewed(found: Inventory, wanted: Inventory) -> bool:
    """Whether two hold the same things, some of which CloudStack has under other uuids.

    Whether those go by the ids of EC2's that they had, who asks EC2 sees: here the tags that say so are left out. So is
    the source NAT address that a VPC has taken: EC2 does not show it, and CloudStack takes it back with the VPC alone;
    and the list that a VPC's default ACL gets when it is changed first, which lets pass what the one before did.
    """
    found = found.without_first_ways_out(wanted).without_first_default_lists(wanted)
    both = Inventory([])
    both.ids, both.digits = found.ids & wanted.ids, found.digits & wanted.digits
    one, other = (
        Inventory([(kind, row) for kind, row in of.rows if kind != "tag" or row["key"] != GOES_BY])
        for of in (found, wanted)
    )
    return one.lines(both) == other.lines(both)


def difference(found: Counter[str], wanted: Counter[str]) -> list[str]:
    """What there is too much (+) and too little (-), and of the same kind of thing what is other than wanted (~)."""
    more, less = list((found - wanted).elements()), list((wanted - found).elements())
    told = []
    for line in more:
        twin = min(
            (other for other in less if _alike(line, other)),
            key=lambda other: _far(line, other),
            default=None,
        )
        if twin is None:
            told.append(f"+ {line}")
        else:
            less.remove(twin)
            told.append(f"~ {_kind(line)} {_other(line, twin)}")
    return told + [f"- {line}" for line in less]


def _kind(line: str) -> str:
    return line.partition(" ")[0]


def _alike(one: str, other: str) -> bool:
    """Two things of one kind that share more than they differ in."""
    return _kind(one) == _kind(other) and _kind(one) not in ("answer", "tag") and _far(one, other) <= 4


def _far(one: str, other: str) -> int:
    return len(_other(one, other).split(", "))


def _other(one: str, other: str) -> str:
    found, wanted = _fields(one), _fields(other)
    names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return ", ".join(f"{name}={found.get(name)} not {wanted.get(name)}" for name in names)


def _fields(line: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(line.partition(" ")[2])
    return fields
