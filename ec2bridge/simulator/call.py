"""One call as its handler sees it: who asks, the parameters read and checked, and the usual answers.

Parameters are checked against CloudStack's own table (`apis.py`) before the handler runs: required ones must be
there, numbers and booleans must be readable, uuids must be known. What is left to the handler is what only it knows.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable

from ec2bridge.simulator import releases
from ec2bridge.simulator.apis import Api
from ec2bridge.simulator.caller import Caller
from ec2bridge.simulator.cloud import Cloud
from ec2bridge.simulator.errors import ApiError, internal, invalid, malformed, no_permission
from ec2bridge.simulator.tables import Row, Table

MAX_PAGE_SIZE = 500

# Parameters whose name alone tells the table.
TABLES = {
    "accountid": "accounts",
    "aclid": "acls",
    "affinitygroupids": "affinitygroups",
    "associatednetworkid": "networks",
    "diskofferingid": "diskofferings",
    "domainid": "domains",
    "ipaddressid": "addresses",
    "jobid": "jobs",
    "networkid": "networks",
    "networkids": "networks",
    "networkofferingid": "networkofferings",
    "nicid": "nics",
    "ostypeid": "ostypes",
    "projectid": "projects",
    "publicipid": "addresses",
    "roleid": "roles",
    "securitygroupid": "securitygroups",
    "securitygroupids": "securitygroups",
    "serviceofferingid": "serviceofferings",
    "snapshotid": "snapshots",
    "templateid": "templates",
    "userid": "users",
    "virtualmachineid": "machines",
    "virtualmachineids": "machines",
    "volumeid": "volumes",
    "volumeids": "volumes",
    "vpcid": "vpcs",
    "vpcofferingid": "vpcofferings",
    "zoneid": "zones",
    "zoneids": "zones",
}
_MAP = re.compile(r"^(?P<name>[^\[\]]+)\[(?P<index>\d+)\](?:\.(?P<key>.+))?$", re.DOTALL)
_IGNORED = frozenset(
    {"command", "response", "apikey", "signature", "signatureversion", "expires", "sessionkey", "_"}
)


def account_label(account: Row) -> str:
    """How CloudStack names an account in its error texts."""
    return (
        f'Account [{{"accountName":"{account["name"]}","id":{account["_number"]},"uuid":"{account["id"]}"}}]'
    )


# What a release that does not know it ignores without harm, also in strict mode: there is no more to tell.
ASK_FOR_MORE = frozenset({"showunique"})


class Call:
    """A checked call.

    `params` has lower-case names, those that this release knows; `maps` the `name[0].key=value` ones by name.
    """

    def __init__(
        self, cloud: Cloud, caller: Caller, api: Api, params: dict[str, str], tables: dict[str, str]
    ) -> None:
        self.cloud = cloud
        self.caller = caller
        self.api = api
        self.given = params
        # What this release does not know it ignores, as everything that nobody knows.
        self.params = {name: value for name, value in params.items() if self._is_known(name)}
        self._tables = {**TABLES, **tables}
        self._maps = _read_maps(self.params)

    def _is_known(self, name: str) -> bool:
        return name.partition("[")[0] in self.api.params or name in _IGNORED

    # Reading parameters

    def text(self, name: str, default: str | None = None) -> str | None:
        return self.params.get(name, default)

    def need(self, name: str) -> str:
        """A parameter that the table says is required."""
        return self.params[name]

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.params.get(name)
        if value is None:
            return releases.default(self.api.name, name, self.cloud.release, default)
        return value.lower() == "true"

    def number(self, name: str) -> int | None:
        value = self.params.get(name)
        return None if value in (None, "") else int(str(value))

    def words(self, name: str) -> list[str]:
        """A comma-separated list; empty when absent."""
        return [word.strip() for word in self.params.get(name, "").split(",") if word.strip()]

    def maps(self, name: str) -> list[dict[str, str]]:
        """`tags[0].key=a&tags[0].value=b` → `[{"key": "a", "value": "b"}]`."""
        return [entry for _, entry in sorted(self._maps.get(name, {}).items())]

    def details(self, name: str = "details") -> dict[str, str]:
        """All entries of a map as one dict: `details[0].foo=bar` → `{"foo": "bar"}`."""
        return {key: value for entry in self.maps(name) for key, value in entry.items()}

    def entity(self, name: str, *, check: bool = True) -> Row | None:
        """The row that a uuid parameter names, removed ones included (`_removed`); None when absent.

        With `check` another account's object is refused (531), as CloudStack does before a command runs.
        """
        value = self.params.get(name)
        if not value or value == "-1":
            return None
        return self._entity(name, value, check)

    def needed(self, name: str, *, check: bool = True) -> Row:
        return self._entity(name, self.params[name], check)

    def entities(self, name: str, *, check: bool = True) -> list[Row]:
        """The rows that a list of uuids names."""
        return [self._entity(name, value, check) for value in self.words(name)]

    def _entity(self, name: str, value: str, check: bool) -> Row:
        row = self._known(name, value)
        if row is None:
            raise self.unknown(name, value)
        if check and not self.may_use(row):
            raise no_permission()
        return row

    def _known(self, name: str, value: str) -> Row | None:
        table = self._tables.get(name)
        if table:
            return self.cloud.tables[table].known(value)
        found = self.cloud.tables.known(value)
        return found[1] if found else None

    # Checking, before the handler runs

    def check(self) -> None:
        """What CloudStack checks of any command, in its order."""
        for param in sorted(self.api.params.values(), key=lambda param: param.name):
            if param.required and not self._given(param.name):
                raise malformed(
                    f"Unable to execute API command {self.api.actual_name} due to missing parameter {param.name}"
                )
        for param in self.api.params.values():
            value = self.params.get(param.name)
            if value is not None:
                self._check_value(param.name, param.type, value)
        if self.cloud.strict:
            self._refuse_unknown_names()
        if self.api.name.startswith("list"):
            self._check_paging()

    def _given(self, name: str) -> bool:
        return name in self.params or name in self._maps

    def _check_value(self, name: str, kind: str, value: str) -> None:
        if kind in ("integer", "long", "short") and not re.fullmatch(r"[+-]?\d+", value.strip() or "0"):
            raise malformed(
                f"Unable to execute API command {self.api.actual_name} due to invalid value {value} "
                f"for parameter {name}"
            )
        if (
            kind == "uuid"
            and value
            and value != "-1"  # ParamProcessWorker takes it for no entity, whatever the parameter
            and not self._known(name, value)
        ):
            raise self.unknown(name, value)
        if kind == "list" and name in self._tables:
            for word in self.words(name):
                if self._known(name, word) is None:
                    raise self.unknown(name, word)

    def _check_paging(self) -> None:
        size = self.number("pagesize")
        if size is not None and "page" not in self.params:
            raise malformed('"page" parameter is required when "pagesize" is specified')
        if size is not None and size > MAX_PAGE_SIZE:
            raise invalid(f"Page size can't exceed max allowed page size value: {MAX_PAGE_SIZE}")

    def _refuse_unknown_names(self) -> None:
        for name in self.given.keys() - ASK_FOR_MORE:
            if not self._is_known(name):
                raise malformed(
                    f"Unknown parameter {name} for command {self.api.name} (strict mode of the simulator)"
                )

    def unknown(self, name: str, value: str) -> ApiError:
        return malformed(
            f"Unable to execute API command {self.api.actual_name} due to invalid value. Invalid parameter {name} "
            f"value={value} due to incorrect long value format, or entity does not exist or due to incorrect "
            "parameter annotation for the field in api cmd class."
        )

    def internal(self, reason: str, cserrorcode: int = 4250) -> ApiError:
        """530, masked for users."""
        return internal(self.caller.is_admin, reason, cserrorcode)

    # Who owns what

    def owner(self) -> Row:
        """The owner fields of a new row: `{**call.owner(), "name": …}`.

        The project when `projectid` is given, the account that an admin names with `account` and `domainid`,
        otherwise the caller's.
        """
        domain = self.entity("domainid", check=False) or self.caller.domain
        place = {"domainid": domain["id"], "domain": domain["name"], "domainpath": domain["path"]}
        project = self.entity("projectid", check=False)
        if project is not None:
            if not self.may_use(project):
                raise no_permission()
            return {"projectid": project["id"], "project": project["name"], **place}
        name = self.text("account") or self.caller.name
        if name != self.caller.name and not self.caller.is_admin:
            raise no_permission()
        if self.cloud.tables["accounts"].first(name=name, domainid=domain["id"]) is None:
            raise invalid(f"Unable to find account {name} in domain {domain['id']}")
        return {"account": name, **place}

    def may_use(self, row: Row) -> bool:
        """Whether the caller may operate on the row; rows without an owner are everybody's."""
        if self.caller.is_admin:
            return True
        if "_members" in row:
            return self.caller.name in row["_members"]
        if "projectid" in row:
            return row["projectid"] in self._projects()
        if "account" not in row:
            return True
        return self._same_account(row)

    def _same_account(self, row: Row) -> bool:
        return bool(
            row.get("account") == self.caller.name and row.get("domainid") == self.caller.domain["id"]
        )

    def _projects(self) -> set[str]:
        return {row["id"] for row in self.cloud.tables["projects"] if self.caller.name in row["_members"]}

    def visible(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that a list command shows: one's own, a project's, for an admin what `listall`/`account` say."""
        if isinstance(rows, Table) and ("id" in self.params or "ids" in self.params):
            # The same rows that `matching` would leave, without looking at every other.
            rows = rows.some([self.params["id"]] if "id" in self.params else self.words("ids"))
        project = self.params.get("projectid")
        if project:
            allowed = self._projects() if not self.caller.is_admin else None
            return [row for row in rows if _in_project(row, project, allowed)]
        own = (row for row in rows if "projectid" not in row)
        if self.caller.is_admin:
            return self._visible_to_admin(own)
        account = self.params.get("account")
        if account is not None and account != self.caller.name:
            raise no_permission()
        return [row for row in own if "account" not in row or self._same_account(row)]

    def _visible_to_admin(self, rows: Iterable[Row]) -> list[Row]:
        account = self.params.get("account")
        if account is not None:
            domain = self.params.get("domainid", self.caller.domain["id"])
            return [row for row in rows if row.get("account") == account and row.get("domainid") == domain]
        if self.flag("listall") or "id" in self.params or "ids" in self.params or "domainid" in self.params:
            return list(rows)
        return [row for row in rows if "account" not in row or self._same_account(row)]

    def matching(self, rows: Iterable[Row], *fields: str, keyword: str = "name") -> list[Row]:
        """The usual filters: `id`, `ids`, `keyword` (part of the field named), and equality on the `fields` given."""
        found = list(rows)
        wanted_ids = {self.params["id"]} if "id" in self.params else set(self.words("ids"))
        if wanted_ids:
            found = [row for row in found if row["id"] in wanted_ids]
        part = self.params.get("keyword", "").lower()
        if part:
            found = [row for row in found if part in str(row.get(keyword, "")).lower()]
        for field in fields:
            if field in self.params:
                found = [row for row in found if _text(row.get(field)).lower() == self.params[field].lower()]
        return self._tagged(found)

    def _tagged(self, rows: list[Row]) -> list[Row]:
        """Rows with any of the `tags[n]` asked for: CloudStack ORs them."""
        wanted = self.maps("tags")
        if not wanted:
            return rows
        for tag in wanted:
            if "value" not in tag:
                raise invalid(f"No value is passed in for key {tag.get('key')}")
        pairs = {(tag["key"].lower(), tag["value"].lower()) for tag in wanted if "key" in tag}
        tags = self.cloud.tables["tags"]
        carriers = {tag["resourceid"] for tag in tags if (tag["key"].lower(), tag["value"].lower()) in pairs}
        return [row for row in rows if row["id"] in carriers]

    # Answers

    def page(self, key: str, rows: list[Row], render: Callable[[Row], Row] | None = None) -> Row:
        """`{"count": N, key: [rows of the page]}`, or `{}` when there are none at all."""
        if not rows:
            return {}
        shown = rows
        size = self.number("pagesize")
        if size is not None and size > 0:
            start = (max(self.number("page") or 1, 1) - 1) * size
            shown = rows[start : start + size]
        answer: Row = {"count": len(rows)}
        if shown:
            answer[key] = [public(render(row) if render else row) for row in shown]
        return answer

    def submit(
        self,
        work: Callable[[], Row | Awaitable[Row]],
        *,
        kind: str | None = None,
        instance: str | None = None,
        answer: Row | None = None,
        weight: float = 0.5,
        queue: str | None = None,
    ) -> Row:
        """Hand the rest to a job and answer with its `jobid`.

        `work` runs later and returns the job's result (`{"virtualmachine": {…}}`); an ApiError raised in it fails
        the job. `kind` and `instance` are the job's `jobinstancetype`/`jobinstanceid`; `answer` adds fields beside
        `jobid` (`{"id": …}` for creations); `weight` scales the cloud's job time; jobs of one `queue` run one
        after the other (default: those of one instance).
        """
        return self.cloud.jobs.submit(
            self,
            work,
            kind=kind,
            instance=instance,
            answer=answer or {},
            weight=weight,
            queue=queue or instance,
        )

    def limit(self, resource: str, amount: int = 1) -> None:
        """Refuse (535) what would exceed the owner's quota of `user_vm`, `volume`, `public_ip` …"""
        self.cloud.limits.check(self.owner(), resource, amount)


def public(row: Row) -> Row:
    """The row without the simulator's own fields."""
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _in_project(row: Row, project: str, allowed: set[str] | None) -> bool:
    if "projectid" not in row:
        return False
    if allowed is not None and row["projectid"] not in allowed:
        return False
    return bool(project in ("-1", row["projectid"]))


def _read_maps(params: dict[str, str]) -> dict[str, dict[int, dict[str, str]]]:
    maps: dict[str, dict[int, dict[str, str]]] = {}
    for name, value in params.items():
        match = _MAP.match(name)
        if match:
            entry = maps.setdefault(match["name"], {}).setdefault(int(match["index"]), {})
            entry[match["key"] or ""] = value
    return maps
