"""What counts as the same things under other uuids."""

from typing import Any

from tests.faults.inventory import DEFAULT_LIST, GOES_BY, Inventory, renewed

GROUP, RULE, OTHER = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "abc")


def there(
    rule: str, port: str = "22", *, tagged: bool = True, goes_by: str = "", names: str = ""
) -> Inventory:
    """A group and its rule, with a tag, one that tells by which id it goes, and a record that names a rule."""
    rows: list[tuple[str, Any]] = [
        ("groups", {"id": GROUP, "name": "web"}),
        ("rules", {"id": rule, "of": GROUP, "port": port}),
        ("store:note", {"key": names or rule, "account": "1", "value": {}}),
    ]
    rows += [("tags", {"resourceid": rule, "key": "role", "value": "shell"})] if tagged else []
    rows += [("tags", {"resourceid": rule, "key": GOES_BY, "value": goes_by})] if goes_by else []
    return Inventory(rows)


def test_a_thing_made_anew_is_the_one_that_was_there() -> None:
    assert renewed(there(OTHER, goes_by="sgr-bbbbbbbb000040008"), there(RULE))


def test_what_has_lost_something_is_another() -> None:
    assert not renewed(there(OTHER, tagged=False), there(RULE))
    assert not renewed(there(OTHER, port="443"), there(RULE))
    assert not renewed(Inventory([]), there(RULE))


def test_what_is_named_must_be_there() -> None:
    assert not renewed(there(OTHER, names=RULE), there(RULE))


def test_a_vpcs_source_nat_address_stays_with_it() -> None:
    vpc = ("vpcs", {"id": GROUP})

    def address(**more: Any) -> tuple[str, Any]:
        return "addresses", {"id": OTHER, "vpcid": GROUP, **more}

    assert renewed(Inventory([vpc, address(issourcenat=True)]), Inventory([vpc]))
    assert not renewed(Inventory([vpc, address()]), Inventory([vpc]))
    other = ("addresses", {"id": RULE, "vpcid": GROUP, "issourcenat": True})
    assert not renewed(Inventory([vpc, other, address(issourcenat=True)]), Inventory([vpc, other]))


def test_a_default_acls_first_list_stands_for_the_one_before() -> None:
    def cloud(acl: str, *more: tuple[str, Any]) -> Inventory:
        return Inventory([("vpcs", {"id": GROUP}), ("networks", {"id": RULE, "aclid": acl}), *more])

    shared = "d" * 8 + OTHER[8:]
    own = "acls", {"id": OTHER, "description": DEFAULT_LIST, "vpcid": GROUP}
    rule = "aclrules", {"id": "e" * 8 + OTHER[8:], "aclid": OTHER}
    assert renewed(cloud(OTHER, own, rule), cloud(shared))
    assert not renewed(cloud(OTHER, (own[0], {**own[1], "description": "acl"}), rule), cloud(shared))
    assert not renewed(cloud(shared, rule), cloud(shared))
