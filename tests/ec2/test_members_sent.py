"""Nothing that a client sends is dropped in silence: each member of each action is honoured, harmless, or refused.

`check_members` refuses by name what an action does not declare. Held here, over AWS's whole model: that every member
which is sent with another value than AWS's default comes to one of the three, that what is declared is in the model,
and that what is declared as honoured is read by the code.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from ec2bridge.ec2 import registry
from ec2bridge.ec2.registry import CENTRAL, Action, check_members
from ec2bridge.errors import Ec2Error

MODELS = {
    service: boto3.session.Session().client(service, region_name="us-east-1").meta.service_model
    for service in ("ec2", "sts", "ssm")
}


def actions() -> list[Any]:
    registry.load()
    return [
        pytest.param(entry, id=entry.name)
        for entry in registry.served()
        if entry.name in MODELS[entry.service].operation_names
    ]


def members(shape: Any, path: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield path and shape of every member of a request that has none of its own."""
    if shape is None:
        return
    if shape.type_name == "list":
        yield from members(shape.member, path, above)
    elif shape.type_name == "structure":
        if shape.name not in above:
            for name, member in shape.members.items():
                yield from members(member, f"{path}.{name}" if path else name, (*above, shape.name))
    else:
        yield path, shape


def asked(entry: Action) -> dict[str, Any]:
    shape = MODELS[entry.service].operation_model(entry.name).input_shape
    return dict(members(shape))


def other_than(defaults: tuple[Any, ...], shape: Any) -> Any:
    """A value of the member that is not AWS's default, nor empty."""
    samples: dict[str, tuple[Any, ...]] = {
        "boolean": (True, False),
        "integer": (7, 11),
        "long": (7, 11),
        "float": (7.5, 11.5),
        "double": (7.5, 11.5),
    }
    choice = samples.get(shape.type_name, (*getattr(shape, "enum", ()), "else", "other"))
    return next((value for value in choice if value not in defaults), None)


def nested(path: str, value: Any) -> dict[str, Any]:
    """A request that says this alone."""
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def covering(path: str, declared: Any) -> str | None:
    """The declared path that a member is covered by."""
    while path:
        if path in declared:
            return path
        path = path.rpartition(".")[0]
    return None


@pytest.mark.parametrize("entry", actions())
def test_a_member_is_honoured_harmless_or_refused_by_name(entry: Action) -> None:
    for path, shape in asked(entry).items():
        value = other_than(entry.defaults.get(path, ()), shape)
        if value is None:
            continue
        harmless, honoured = covering(path, entry.ignores), covering(path, entry.honours)
        if harmless or honoured or path.partition(".")[0] in CENTRAL:
            check_members(entry, nested(path, value))
            assert harmless is None or len(entry.ignores[harmless]) > 10, "the reason is missing"
            continue
        with pytest.raises(Ec2Error) as refused:
            check_members(entry, nested(path, value))
        assert refused.value.code == "UnsupportedOperation"
        assert f"The parameter {path} with the value '{registry.as_sent(value)}'" in str(refused.value)


@pytest.mark.parametrize("entry", actions())
def test_what_is_declared_is_in_awss_model(entry: Action) -> None:
    known = {name for path in asked(entry) for name in _beginnings(path)}
    declared = {*entry.honours, *entry.defaults, *(name for name in entry.ignores if " " not in name)}
    assert declared - known == set(), "AWS has no such member"
    twice = {path for path in (*entry.ignores, *entry.defaults) if covering(path, entry.honours)}
    assert twice == set(), "honoured, and declared otherwise, too"


def _beginnings(path: str) -> list[str]:
    names = path.split(".")
    return [".".join(names[:count]) for count in range(1, len(names) + 1)]


# --- honoured means read -----------------------------------------------------------------------------------------

DECLARATIONS = ("honours", "ignores", "defaults", "filters", "native")


ELSEWHERE = {*CENTRAL, "ClientToken"}
"""What is read outside the actions, for all of them."""
HANDED_ON = (
    # A launch checks what it is given, as RunInstances does: `resources/launches/launch_templates.py`.
    "LaunchTemplateData",
    "LaunchTemplateConfigs.Overrides",
    "LaunchSpecification",
    # Refused as a whole.
    "CreateVolumePermission.Add",
)
"""Structures that are not read member by member, because something else takes or refuses them whole."""
COMPOSED = {"Phase1LifetimeSeconds", "Phase2LifetimeSeconds"}
"""Names that the code puts together."""
REFUSED = {
    # Nobody may have one, so that none is taken away.
    "CreateVolumePermission.Remove.UserId",
    "CreateVolumePermission.Remove.Group",
    # AssociateVpcCidrBlock refuses whatever it is sent.
    "AmazonProvidedIpv6CidrBlock",
    # Every identity is told the same.
    "PrincipalArn",
}


@cache
def texts(file: str) -> frozenset[str]:
    """The strings of a module, but for those of its actions' declarations."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    declared = {
        id(node)
        for keyword in ast.walk(tree)
        if isinstance(keyword, ast.keyword) and keyword.arg in DECLARATIONS
        for node in ast.walk(keyword.value)
    }
    return frozenset(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in declared
    )


@cache
def imported(file: str) -> frozenset[str]:
    """The files of this package that a module imports from."""
    found = set()
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ec2bridge"):
            place = ROOT / (node.module or "").replace(".", "/")
            found |= {str(place / f"{name.name}.py") for name in node.names}
            found.add(f"{place}.py")
    return frozenset(name for name in found if Path(name).exists())


ROOT = Path(__file__).parent.parent.parent


def reach(file: str) -> set[str]:
    """A module's file, and those of all that it imports from, however far."""
    found, todo = set(), [file]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imported(name)
    return found


@pytest.mark.parametrize("entry", actions())
def test_what_is_honoured_is_read(entry: Action) -> None:
    read = {
        text for name in reach(str(sys.modules[entry.handler.__module__].__file__)) for text in texts(name)
    }
    unread = {
        path
        for path in asked(entry)
        if covering(path, entry.honours)
        and not path.startswith(HANDED_ON)
        and path not in ELSEWHERE | REFUSED
        and path.rpartition(".")[2] not in read | COMPOSED
    }
    assert unread == set()


DEFAULT = re.compile(
    r"Default(?: value)?: ?(?:<code>)?([\w.-]+)(?:</code>)?(?: seconds)?[ .;]*(?:</p>|<p>|for |$)"
)
DEFAULTS_REFUSED = {
    "Options.StaticRoutesOnly": "false asks for BGP, which CloudStack's gateways do not speak",
    "MetadataOptions.HttpPutResponseHopLimit": "the override is of another kind of launch than the template's",
    "ElasticInferenceAccelerators.Count": "it is told beside the accelerator, which is refused",
    "Requirement": "there is nothing that an additional key exchange could be required of",
}
"""Members that AWS says a default of which cannot be taken, by their end, with the reason."""


def told_defaults(shape: Any, path: str = "", above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield path and default of each member whose documentation tells one."""
    while shape.type_name == "list":
        shape = shape.member
    if shape.type_name != "structure" or shape.name in above:
        return
    for name, member in shape.members.items():
        inner = f"{path}.{name}" if path else name
        yield from told_defaults(member, inner, (*above, shape.name))
        found = DEFAULT.search(member.documentation)
        if found is None:
            continue
        value = found[1].rstrip(".")
        if member.type_name in ("integer", "long") and value.isdigit():
            yield inner, int(value)
        elif member.type_name == "boolean" and value in ("true", "false"):
            yield inner, value == "true"
        elif value in getattr(member, "enum", ()):
            yield inner, value


@pytest.mark.parametrize("entry", actions())
def test_a_default_that_aws_documents_is_taken_when_it_is_sent(entry: Action) -> None:
    shape = MODELS[entry.service].operation_model(entry.name).input_shape
    for path, value in told_defaults(shape) if shape else ():
        if not any(path.endswith(end) for end in DEFAULTS_REFUSED):
            check_members(entry, nested(path, value))


def test_documented_defaults_are_found() -> None:
    found = [
        (entry.values[0].name, *told)
        for entry in actions()
        if (shape := MODELS[entry.values[0].service].operation_model(entry.values[0].name).input_shape)
        for told in told_defaults(shape)
    ]
    assert ("CreateFleet", "SpotOptions.InstanceInterruptionBehavior", "terminate") in found
    assert ("ModifyNetworkInterfaceAttribute", "ConnectionTrackingSpecification.UdpTimeout", 30) in found
    ends = {path for _, path, _ in found}
    assert all(any(path.endswith(end) for path in ends) for end in DEFAULTS_REFUSED)
    assert len(found) > 60
