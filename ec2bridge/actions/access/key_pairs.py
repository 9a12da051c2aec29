"""Key pairs: made, imported, described and deleted.

CloudStack keeps a name and the public key, shows neither the key nor when it came, and its fingerprint is the MD5 of
the OpenSSH line's key; EC2 clients compare fingerprints of AWS's kinds. So what a key was when it passed this bridge
(type, public key, fingerprint, time) is kept in the store. A key pair that was made elsewhere, or whose record is lost,
shows CloudStack's fingerprint, which is what `ssh-keygen -E md5 -l` prints, and no type.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.registry import Answer, Request, action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.key_pairs import creation as key_creation
from ec2bridge.resources.key_pairs import formats as key_formats
from ec2bridge.resources.key_pairs import records as key_records
from ec2bridge.resources.key_pairs import removal
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

FILTERS = {
    "key-pair-id": "KeyPairId",
    "fingerprint": "KeyFingerprint",
    "key-name": "KeyName",
    "tag:*": None,
    "tag-key": "Tags.Key",
    "tag-value": "Tags.Value",
}


@action(
    "CreateKeyPair",
    honours=("KeyName", "KeyType", "KeyFormat", "TagSpecifications"),
    native=("registerSSHKeyPair",),
)
async def create_key_pair(ctx: Context, request: Request) -> Answer:
    """Make a key pair and hand out its private half, once."""
    name, tags = _name(request), resource_tags.specified(request, "key-pair")
    key_type = _one_of(request, "KeyType", "rsa", "ed25519")
    key_format = _one_of(request, "KeyFormat", "pem", "ppk")
    private, key = await asyncio.to_thread(key_formats.generated, key_type, key_format, name)
    answer = await _register(ctx, name, key, tags)
    return {**answer, "KeyMaterial": private}


@action(
    "ImportKeyPair",
    honours=("KeyName", "PublicKeyMaterial", "TagSpecifications"),
    native=("registerSSHKeyPair",),
)
async def import_key_pair(ctx: Context, request: Request) -> Answer:
    """Register the public key that the client has the private half of."""
    name, tags = _name(request), resource_tags.specified(request, "key-pair")
    if not request.get("PublicKeyMaterial"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter PublicKeyMaterial")
    return await _register(ctx, name, key_formats.imported(request["PublicKeyMaterial"]), tags)


@describe(
    "DescribeKeyPairs",
    items="KeyPairs",
    ids={
        "KeyNames": Ids(
            "KeyName", code="InvalidKeyPair.NotFound", sentence="The key pair '{}' does not exist"
        ),
        "KeyPairIds": Ids("KeyPairId", "key-pair"),
    },
    filters=FILTERS,
    honours=("IncludePublicKey",),
    native=("listSSHKeyPairs",),
)
async def describe_key_pairs(ctx: Context, request: Request) -> list[Request]:
    """List the caller's key pairs."""
    rows = await key_records.rows(ctx)
    tags = await resource_tags.merged(ctx, "key-pair", rows)
    shows_key = bool(request.get("IncludePublicKey"))
    return [_item(row, row["record"], tags[row["id"]], shows_key) for row in rows]


@action("DeleteKeyPair", honours=("KeyName", "KeyPairId"), native=("deleteSSHKeyPair",))
async def delete_key_pair(ctx: Context, request: Request) -> Answer:
    """Delete a key pair by name or id; one that does not exist counts as deleted, as on AWS."""
    name, ident = request.get("KeyName"), request.get("KeyPairId")
    if not name and not ident:
        raise Ec2Error("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
    if ident and is_uuid(ident):
        ident = ec2_id("key", ident)
    if ident and not KINDS["key-pair"].is_id(ident):
        raise KINDS["key-pair"].refused(ident)
    if await removal.is_being_deleted(ctx, name, ident):
        return {"Return": True, "KeyPairId": _id(await removal.finish(ctx, name, ident))}
    # CloudStack compares names without case: only the row with the very name is the one that is meant.
    for row in await key_records.rows(ctx):
        if name in (None, "", row["name"]) and ident in (None, "", _id(row)):
            await removal.delete(ctx, row, name, ident)
            return {"Return": True, "KeyPairId": _id(row)}
    return {"Return": True}


def _id(row: Row) -> str:
    return ec2_id("key", row["id"])


def _item(row: Row, record: Row, tags: list[dict[str, str]], shows_key: bool) -> Item:
    item = {
        "KeyPairId": _id(row),
        "KeyName": row["name"],
        "KeyFingerprint": record.get("fingerprint") or row.get("fingerprint"),
        "Tags": tags,
    }
    if record:
        item["KeyType"] = record["type"]
        item["CreateTime"] = datetime.fromtimestamp(record["created"], UTC)
        if shows_key:
            item["PublicKey"] = record["line"]
    return item


def _name(request: Request) -> str:
    name = str(request.get("KeyName") or "")
    if not name:
        raise Ec2Error("MissingParameter", "The request must contain the parameter KeyName")
    # AWS: "up to 255 ASCII characters"; the name stands behind the key in authorized_keys, so no line breaks.
    if len(name) > 255 or not (name.isascii() and name.isprintable()) or name != name.strip():
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({name[:64]}) for parameter KeyName is invalid. Character sets "
            "beyond ASCII, leading or trailing spaces and more than 255 characters are not supported.",
        )
    return name


def _one_of(request: Request, member: str, *known: str) -> str:
    value = str(request.get(member) or known[0])
    if value not in known:
        sentence = f"Value ({value}) for parameter {member} is invalid. Valid values: {', '.join(known)}"
        raise Ec2Error("InvalidParameterValue", sentence)
    return value


async def _register(ctx: Context, name: str, key: key_formats.Key, tags: dict[str, str]) -> Answer:
    """Register the key with CloudStack, under a name that is free."""
    if await key_records.is_taken(ctx, name):
        raise key_creation.duplicate(name)
    row = await key_creation.register(ctx, name, key, tags)
    return {
        "KeyPairId": _id(row),
        "KeyName": name,
        "KeyFingerprint": key.fingerprint,
        "Tags": resource_tags.as_list(tags),
    }
