"""Key pairs: made, imported, described and deleted.

CloudStack keeps a name and the public key, shows neither the key nor when it came, and its fingerprint is the MD5 of
the OpenSSH line's key; EC2 clients compare fingerprints of AWS's kinds. So what a key was when it passed this bridge
(type, public key, fingerprint, time) is kept in the store. A key pair that was made elsewhere, or whose record is lost,
shows CloudStack's fingerprint, which is what `ssh-keygen -E md5 -l` prints, and no type.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from ec2bridge.actions import _keys, _tags
from ec2bridge.actions._context import Context
from ec2bridge.actions._describe import Ids, describe
from ec2bridge.actions._registry import Request, action
from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id

Row = dict[str, Any]

STORE_KIND = "key-pairs"
FILTERS = {
    "key-pair-id": "KeyPairId",
    "fingerprint": "KeyFingerprint",
    "key-name": "KeyName",
    "tag:*": None,
    "tag-key": "Tags.Key",
}


@action(
    "CreateKeyPair",
    honours=("KeyName", "KeyType", "KeyFormat", "TagSpecifications"),
    native=("registerSSHKeyPair",),
)
async def create_key_pair(ctx: Context, request: Request) -> Request:
    """Make a key pair and hand out its private half, once."""
    name, tags = _name(request), _tags.specified(request, "key-pair")
    key_type = _one_of(request, "KeyType", "rsa", "ed25519")
    key_format = _one_of(request, "KeyFormat", "pem", "ppk")
    private, key = await asyncio.to_thread(_keys.generated, key_type, key_format, name)
    answer = await _register(ctx, name, key, tags)
    return {**answer, "KeyMaterial": private}


@action(
    "ImportKeyPair",
    honours=("KeyName", "PublicKeyMaterial", "TagSpecifications"),
    native=("registerSSHKeyPair",),
)
async def import_key_pair(ctx: Context, request: Request) -> Request:
    """Register the public key that the client has the private half of."""
    name, tags = _name(request), _tags.specified(request, "key-pair")
    if not request.get("PublicKeyMaterial"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter PublicKeyMaterial")
    return await _register(ctx, name, _keys.imported(request["PublicKeyMaterial"]), tags)


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
    rows, entries = await asyncio.gather(_rows(ctx), ctx.store.list(ctx.owner_id, STORE_KIND))
    tags = await _tags.merged(ctx, "key-pair", rows)
    records = {entry.key: entry.value for entry in entries}
    shows_key = bool(request.get("IncludePublicKey"))
    return [_item(row, records.get(row["id"], {}), tags[row["id"]], shows_key) for row in rows]


@action("DeleteKeyPair", honours=("KeyName", "KeyPairId"), native=("deleteSSHKeyPair",))
async def delete_key_pair(ctx: Context, request: Request) -> Request:
    """Delete a key pair by name or id; one that does not exist counts as deleted, as on AWS."""
    name, ident = request.get("KeyName"), request.get("KeyPairId")
    if not name and not ident:
        raise Ec2Error("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
    if ident and not KINDS["key-pair"].is_id(ident):
        raise KINDS["key-pair"].refused(ident)
    # CloudStack compares names without case: only the row with the very name is the one that is meant.
    for row in await _rows(ctx):
        if name in (None, "", row["name"]) and ident in (None, "", _id(row)):
            await ctx.account.call("deleteSSHKeyPair", name=row["name"])
            await _forget(ctx, row["id"])
            return {"Return": True, "KeyPairId": _id(row)}
    return {"Return": True}


async def _rows(ctx: Context) -> list[Row]:
    rows: list[Row] = await ctx.account.list("listSSHKeyPairs")
    return rows


def _id(row: Row) -> str:
    return ec2_id("key", row["id"])


def _item(row: Row, record: Row, tags: list[dict[str, str]], shows_key: bool) -> Request:
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


async def _register(ctx: Context, name: str, key: _keys.Key, tags: dict[str, str]) -> Request:
    """Register the key with CloudStack and note what CloudStack will not tell of it."""
    line = f"{key.line} {name}"
    try:
        answer = await ctx.account.call("registerSSHKeyPair", name=name, publickey=line)
    except CloudStackError as error:
        raise _refusal(name, error) from error
    row = answer["keypair"]
    record = {
        "line": line,
        "type": key.type,
        "fingerprint": key.fingerprint,
        "created": datetime.now(UTC).timestamp(),
    }
    try:
        await ctx.store.put(ctx.owner_id, STORE_KIND, row["id"], record)
        await _tags.attach(ctx, "key-pair", row["id"], tags)
    except BaseException:
        await ctx.account.call("deleteSSHKeyPair", name=name)
        raise
    return {
        "KeyPairId": _id(row),
        "KeyName": name,
        "KeyFingerprint": key.fingerprint,
        "Tags": _tags.as_list(tags),
    }


def _refusal(name: str, error: CloudStackError) -> Exception:
    """Tell the two duplicates apart: AWS has only the one of the name."""
    if "already exists" not in error.errortext:
        return error
    if error.errortext.startswith("A key pair with key"):
        return Ec2Error(
            "InvalidKeyPair.Duplicate",
            "This public key is registered under another name, and CloudStack takes a key only once an account.",
        )
    return Ec2Error("InvalidKeyPair.Duplicate", f"The keypair '{name}' already exists.")


async def _forget(ctx: Context, *native_ids: str) -> None:
    await _tags.forget(ctx, "key-pair", *native_ids)
    for ident in native_ids:
        await ctx.store.delete(ctx.owner_id, STORE_KIND, ident)
