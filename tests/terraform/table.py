"""The table of docs/terraform.md: each resource and data source, with what became of it in a run."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONFIGURATION, RUNS = HERE / "resources.tf", HERE / "runs.json"
PAGE = HERE.parent.parent / "docs" / "terraform.md"
SHOWN = re.compile(r"(<!-- resources -->\n).*(<!-- /resources -->)", re.DOTALL)

IN_PART = {
    "aws_ami": "of the snapshot of a root volume; of a disk's URL with `image_location`",
    "aws_default_subnet": "`map_public_ip_on_launch = false` where the network gives no public addresses",
    "aws_ebs_encryption_by_default": "`enabled = false`",
    "aws_ec2_fleet": '`type = "instant"` and `terminate_instances = true`',
    "aws_ec2_serial_console_access": "`enabled = false`",
    "aws_instance": "without `iam_instance_profile`, `cpu_options`, `hibernation`, `ipv6_…`, `tenancy` but `default`",
    "aws_default_security_group": "in a VPC; with its own rules only",
    "aws_nat_gateway": "a public one, one a VPC; from CloudStack 4.19 on",
    "aws_network_interface": "one in a subnet for each machine",
    "aws_placement_group": "`strategy` as CloudStack's affinity groups have it",
    "aws_spot_instance_request": '`spot_type = "one-time"`, from CloudStack 4.21 on, where the operator allows leases',
    "aws_subnet": "of a /22 at most, unless the operator has raised CloudStack's limit; without IPv6",
    "aws_vpc": "one range, in one zone, which the tag `availability-zone` chooses; without IPv6",
    "aws_vpc_dhcp_options_association": "`domain_name`; name servers of a VPC's own are chosen by the tag"
    " `dhcp-options-id` of `aws_vpc`; no `ntp_servers`, no `netbios_…`",
    "aws_vpn_connection": "with static routes",
}
"""What a block that works is limited to, beyond what its plain use shows."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one block: works, refused, drifts, stays or untried; and the sentence that says why."""

    what: str
    why: str = ""

    def as_json(self) -> list[str]:
        """Return it as runs.json holds it."""
        return [self.what, self.why] if self.why else [self.what]


def page(text: str) -> str:
    """Return the page with the table as the last run has it."""
    seen = json.loads(RUNS.read_text(encoding="utf-8"))
    table = "\n".join(_table(seen))
    return SHOWN.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text)


def _table(seen: dict[str, Any]) -> Iterator[str]:
    found: dict[str, dict[str, Result]] = {"resource": {}, "data": {}}
    for address, told in seen["found"].items():
        kind, _, rest = address.rpartition("data.")
        name = (rest if kind or address.startswith("data.") else address).partition(".")[0]
        results = found["data" if address.startswith("data.") else "resource"]
        # Of several blocks of one type the one that did worst is told.
        if name not in results or results[name].what == "works":
            results[name] = Result(*told)
    resources, data = found["resource"], found["data"]
    works = [name for name, result in resources.items() if result.what == "works"]
    yield f"Seen in a run of {seen['program']} with provider {seen['provider']} on the embedded CloudStack 4.23:"
    yield "one block of each, applied, planned again without a change, and destroyed."
    yield f"\n**Works** ({len(works)} resources): {_names(name for name in works if name not in IN_PART)}"
    yield "\n| works in part | with |\n| --- | --- |"
    for name in works:
        if name in IN_PART:
            yield f"| `{name}` | {IN_PART[name]} |"
    for what, said in (("drifts", "a second plan wants to change it"), ("stays", "cannot be destroyed")):
        for name, result in resources.items():
            if result.what == what:
                yield f"| `{name}` | {said}: {_cell(result.why)} |"
    yield "\n| refused | with the words |\n| --- | --- |"
    for name, result in resources.items():
        if result.what == "refused":
            yield f"| `{name}` | {_cell(result.why)} |"
    untried = [name for name, result in resources.items() if result.what == "untried"]
    if untried:
        yield f"\nNot tried, since what it stands on is refused: {_names(untried)}"
    yield f"\n**Data sources that work**: {_names(name for name, result in data.items() if result.what == 'works')}"
    yield "\n| data source | why it does not |\n| --- | --- |"
    for name, result in data.items():
        if result.what != "works":
            yield f"| `{name}` | {_cell(result.why)} |"


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    """Return a sentence as a cell holds it: without what is another each time."""
    text = re.sub(
        r"\b(i|vpc|subnet|snap|vol|sg|eni|ami|eipalloc|acl|rtb|igw|vgw)-[0-9a-f]{17}\b", r"\1-…", text
    )
    return re.sub(r"operation error EC2: .*?RequestID: [0-9a-f-]+, ", "", text).replace("|", "\\|")[:300]
