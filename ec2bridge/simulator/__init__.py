"""CloudStack in miniature, behind its real HTTP API: a server to test and demonstrate against.

It speaks what a CloudStack management server speaks (signatures, envelopes, jobs, error codes and texts), so the
bridge and CloudStack's own clients use it unchanged. Run it with `server.Simulator`. It is written as 4.23 and plays
any release from 4.18 on (`version=`): `releases/` says what the others lack and how they word their refusals, and the
few handlers that do otherwise ask `call.cloud.since("4.21")`.

Adding a command
----------------
Put a function into a module of `ec2bridge/simulator/commands/` (every module there is imported on first use):

    @command("createThing", id="things")          # uuids in `id`/`ids` are of the table `things`
    def create_thing(call: Call) -> Answer:
        network = call.needed("networkid")         # the row; 431 and 531 are already decided
        call.limit("thing")                        # 535
        if call.cloud.tables["things"].first(name=call.need("name"), **call.owner()):
            raise invalid("A thing with that name exists")          # 431 / 4350; see errors.py for the others
        thing = call.cloud.tables["things"].add({**call.owner(), "name": call.need("name"), "created": now()})

        def work() -> Row:                         # may be `async def`, with `await call.cloud.pause(0.5)` inside
            call.cloud.tables["things"].update(thing, state="Ready")
            return {"thing": public(thing)}        # an ApiError raised here fails the job

        return call.submit(work, kind="Thing", instance=thing["id"], answer={"id": thing["id"]})

    @command("listThings", id="things")
    def list_things(call: Call) -> Answer:
        rows = call.matching(call.visible(call.cloud.tables["things"]), "name", "state", "networkid")
        return call.page("thing", rows, render=lambda row: {**row, "tags": tags_of(call.cloud, row["id"])})

A handler returns what stands inside the envelope. It reads parameters with `call.text`, `need`, `flag`, `number`,
`words`, `maps`, `details`, `entity`, `needed`, `entities`. Required parameters, numbers and uuids were checked before
it runs, from `apis.json`; another account's object is refused by `entity` and its kin unless `check=False` (list
commands do not refuse: they filter with `visible`, which knows account, projectid and listall). `matching` knows
`id`, `ids`, `keyword`, `tags[n]` and the fields named; `page` knows page and pagesize and drops keys that start
with `_`.

Tables are `call.cloud.tables["name"]`: `add`, `update`, `save`, `get`, `known`, `where`, `first`, `remove` (its id
stays known: listings answer `{}`), `erase` (its id is unknown from now on). A removed row carries `_removed`. Every row
has `_number`, the database id that some texts show. The tables: accounts, users, userkeys, roles, domains, projects,
zones, serviceofferings, diskofferings, networkofferings, vpcofferings, ostypes, oscategories, templates, machines,
nics, volumes, snapshots, networks, addresses, vpcs, acls, aclrules, firewallrules, securitygroups, securitygrouprules,
keypairs, affinitygroups, userdata, tags, jobs, limits. A tag is a row with resourceid, resourcetype, key, value; a NIC
is a row with `_machine` (the machine's id), networkid, ipaddress.
"""
