"""Long work of single requests: for how long each holds the loop, on which all others wait.

`python -m bench.turns` runs this part alone. An account of a thousand machines; each request is sent three times, and
the longest turn of all counts, in CPU time. Those that the bridge refuses count as well: anybody may send them.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from bench import limits
from bench.limits import Limit
from bench.progress import doing
from bench.servers import Server, Stall, Target, environment_of, process, signed, stalls

MACHINES = 1_000
TIMES = 3
Form = dict[str, str]


def requests(group: str) -> Iterator[tuple[str, str, Form]]:
    """Yield what is asked for: what the table calls it, the action, and its form."""
    yield "the first request of all", "DescribeRegions", {}
    yield "the first listing of 1,000 machines", "DescribeInstances", {}
    yield "their volumes", "DescribeVolumes", {}
    patterns = {f"Filter.1.Value.{number}": f"*{number}*a?b*" for number in range(1, 201)}
    yield "200 wildcards", "DescribeInstances", {"Filter.1.Name": "tag-value", **patterns}
    made_up = {f"InstanceId.{number}": f"i-{number:017x}" for number in range(1, 1001)}
    yield "1,000 made-up ids", "DescribeInstances", made_up
    permissions = {
        f"IpPermissions.{number}.{name}": value
        for number in range(1, 1001)
        for name, value in (
            ("IpProtocol", "tcp"),
            ("FromPort", str(number)),
            ("ToPort", str(number)),
            ("IpRanges.1.CidrIp", f"10.{number // 250}.{number % 250}.0/24"),
        )
    }
    yield "1,000 permissions", "AuthorizeSecurityGroupIngress", {"GroupId": group, **permissions}
    yield "an RSA key", "CreateKeyPair", {"KeyType": "rsa"}
    yield (
        "2 MB of parameters",
        "DescribeInstances",
        {f"Filter.{n}.Value.{n}": "x" * 90 for n in range(1, 16_000)},
    )
    yield "2 MB of one parameter", "RunInstances", {"UserData": "A" * 2_000_000}


def of_version_2(url: str, key: str, secret: str, **form: str) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a request signed in version 2, as boto 2 does."""
    told = {
        **form,
        "Version": "2014-10-01",
        "AWSAccessKeyId": key,
        "SignatureVersion": "2",
        "SignatureMethod": "HmacSHA256",
        "Expires": "2099-01-01T00:00:00Z",
    }
    query = "&".join(f"{quote(name, safe='-_~')}={quote(told[name], safe='-_~')}" for name in sorted(told))
    text = f"POST\n{urlsplit(url).netloc}\n/\n{query}"
    signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha256)).decode()
    return f"{query}&{urlencode({'Signature': signature})}".encode(), {
        "Content-Type": "application/x-www-form-urlencoded"
    }


def longest(bridge: Server, keys: list[str], file: Path) -> Iterator[tuple[str, int, Stall | None]]:
    """Send them all; yield the longest turn of each, with the status of the last answer."""
    url = bridge.url + "/"
    stalls(bridge, file)
    with contextlib.closing(Target(bridge)) as target:
        group = f"turns-{uuid.uuid4().hex[:8]}"
        made = target.send(
            *signed(url, *keys, Action="CreateSecurityGroup", GroupName=group, GroupDescription="turns")
        )
        ident = made.partition(b"<groupId>")[2].partition(b"<")[0].decode()
        for what, action, form in requests(ident):
            for version, sign in (("", signed), (", version 2", of_version_2)):
                if version and not what.startswith("2 MB"):
                    continue
                for number in range(TIMES):
                    name = {"KeyName": f"turns-{number}"} if action == "CreateKeyPair" else {}
                    status, _ = target.sent(*sign(url, *keys, Action=action, **form, **name))
                held = stalls(bridge, file)
                yield f"{what}{version}", status, held[0] if held else None


def run(_: float = 0.0) -> tuple[str, list[Limit]]:
    """Measure them."""
    doing("long work of single requests")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = [sys.executable, "-m", "bench.cloud", str(folder / "keys.json"), f"thousand={MACHINES}"]
        cloud = stack.enter_context(process("CloudStack", command, r"at (http\S+)"))
        keys = json.loads((folder / "keys.json").read_text())
        file = folder / "stalls.json"
        serve = [sys.executable, "-m", "bench.watched", str(file), "serve"]
        bridge = stack.enter_context(
            process("bridge", serve, r"at (http\S+)", **environment_of(cloud, keys, folder))
        )
        found = list(longest(bridge, keys["thousand"], file))
    lines = ["| request | status | longest turn, CPU ms |", "| --- | ---: | --- |"]
    for what, status, stall in found:
        told = f"{stall.cpu:.0f}: {stall.what}" if stall else "under 10"
        lines.append(f"| {what} | {status} | {told} |")
    most = max((stall.cpu for *_, stall in found if stall), default=0.0)
    return "\n".join(lines), [
        Limit("the loop's longest turn in a single long request, CPU", most, most=50, unit=" ms")
    ]


if __name__ == "__main__":
    told_of, held_to = run()
    print(f"{told_of}\n\n{limits.table(held_to)}")
