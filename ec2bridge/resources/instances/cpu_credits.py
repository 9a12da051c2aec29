"""The credit option of instances of AWS's burstable types.

CloudStack gives each machine the share of a processor that its offering names, and counts no credits. What a client
chooses is kept in a reserved tag and told again, as EbsOptimized is, or Terraform would change it for ever.
"""

from collections.abc import Mapping
from typing import Any

from ec2bridge.errors import Ec2Error
from ec2bridge.mapping import InstanceTypes
from ec2bridge.resources.tags import resource_tags

MARK = "cpu-credits"
"""Reserved tag on a machine (without prefix): the credit option that was chosen."""
STANDARD, UNLIMITED = "standard", "unlimited"


def option(value: Any) -> str:
    """Return a credit option that EC2 knows, or refuse it."""
    if value not in (STANDARD, UNLIMITED):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({value}) for parameter CpuCredits is invalid. It must be {STANDARD} or {UNLIMITED}.",
        )
    return str(value)


def chosen(types: InstanceTypes, row: Mapping[str, Any], kind: str) -> str:
    """Return the credit option of a machine: what was chosen, or what AWS has by default for its type."""
    family = types.family(kind)
    plain = family is None or not family.burstable or kind.startswith("t2.")
    return resource_tags.marked(row, MARK) or (STANDARD if plain else UNLIMITED)
