"""sts:GetCallerIdentity on the same endpoint."""

import re

from tests.conftest import Place


def test_the_caller_learns_account_user_and_arn(place: Place) -> None:
    who = place.client(service="sts").get_caller_identity()

    assert re.fullmatch(r"\d{12}", who["Account"])
    assert who["Arn"] == f"arn:aws:iam::{who['Account']}:user/alice"
    assert re.fullmatch(r"[0-9a-f-]{36}", who["UserId"])


def test_accounts_differ_and_stay_the_same(place: Place) -> None:
    def account(name: str) -> str:
        return str(place.client(name, service="sts").get_caller_identity()["Account"])

    assert account("alice") == account("alice") != account("bob")


def test_it_is_the_owner_of_what_the_caller_has(place: Place) -> None:
    account = place.client(service="sts").get_caller_identity()["Account"]

    [vpc] = place.client().describe_vpcs()["Vpcs"]

    assert vpc["OwnerId"] == account
