"""What the Python client library offers on files, directories, metrics and isolation; ends with "ok"."""

import asyncio
import io
import os

from opensandbox import Sandbox
from opensandbox.config import ConnectionConfig
from opensandbox.models.filesystem import (
    ContentReplaceEntry,
    DirectoryListEntry,
    MoveEntry,
    SearchEntry,
    SetPermissionEntry,
    WriteEntry,
)
from opensandbox.models.isolated import (
    CreateIsolatedSessionRequest,
    IsolatedRunOpts,
    IsolatedWorkspaceSpec,
)

config = ConnectionConfig(domain=os.environ["DOMAIN"], api_key=os.environ["API_KEY"], protocol="http")
WORKSPACE = os.environ["WORKSPACE"]


async def refused(awaitable, word=""):
    try:
        await awaitable
    except Exception as error:
        assert word in str(error), error
        return
    raise AssertionError("expected a refusal")


async def reads_and_writes(files, at):
    await files.create_directories(
        [WriteEntry(path=at("dir"), mode=755), WriteEntry(path=at("dir/private"), mode=700)]
    )
    await files.write_files(
        [
            WriteEntry(path=at("dir/text ü.txt"), data="hé one\ntwo one\nthree", mode=644),
            WriteEntry(path=at("dir/bytes.bin"), data=bytes([0, 255, 13, 10])),
            WriteEntry(path=at("dir/stream.txt"), data=io.BytesIO(b"streamed in pieces"), mode=600),
        ]
    )
    await files.write_file(at("dir/empty"), "")
    assert await files.read_file(at("dir/text ü.txt")) == "hé one\ntwo one\nthree"
    assert await files.read_file(at("dir/empty")) == ""
    assert await files.read_bytes(at("dir/bytes.bin")) == bytes([0, 255, 13, 10])
    assert await files.read_bytes(at("dir/stream.txt"), range_header="bytes=0-7") == b"streamed"
    assert await files.read_file(at("dir/text ü.txt"), offset=2, limit=1) == "two one"
    streamed = b""
    async for chunk in await files.read_bytes_stream(at("dir/stream.txt")):
        streamed += chunk
    assert streamed == b"streamed in pieces"
    info = await files.get_file_info([at("dir/text ü.txt"), at("dir"), at("dir/bytes.bin")])
    assert (info[at("dir/text ü.txt")].size, info[at("dir/text ü.txt")].mode) == (21, 644)
    assert info[at("dir")].mode == 755 and info[at("dir/bytes.bin")].mode == 755
    assert info[at("dir")].modified_at.tzinfo is not None
    found = await files.search(SearchEntry(path=at("dir"), pattern="*.txt"))
    assert sorted(entry.path for entry in found) == [at("dir/stream.txt"), at("dir/text ü.txt")]
    assert len(await files.list_directory(DirectoryListEntry(path=at("dir")))) == 5
    await files.set_permissions([SetPermissionEntry(path=at("dir/text ü.txt"), mode=640)])
    assert (await files.get_file_info([at("dir/text ü.txt")]))[at("dir/text ü.txt")].mode == 640
    change = ContentReplaceEntry(path=at("dir/text ü.txt"), old_content="one", new_content="1")
    await files.replace_contents([change])
    assert await files.read_file(at("dir/text ü.txt")) == "hé 1\ntwo 1\nthree"
    counts = await files.replace_contents_detailed(
        [ContentReplaceEntry(path=at("dir/text ü.txt"), old_content="1", new_content="one")]
    )
    assert [count.replaced_count for count in counts] == [2]
    await files.move_files([MoveEntry(src=at("dir/text ü.txt"), dest=at("moved/deep.txt"))])
    assert await files.read_file(at("moved/deep.txt")) == "hé one\ntwo one\nthree"
    await refused(files.read_file(at("dir/text ü.txt")))
    await refused(files.get_file_info([at("nothing")]), "not found")
    await files.delete_files([at("moved/deep.txt"), at("nothing")])
    await refused(files.read_file(at("moved/deep.txt")))
    await files.delete_directories([at("dir"), at("moved")])
    assert await files.search(SearchEntry(path=at(""), pattern="*")) == []


async def isolation(sandbox):
    capabilities = await sandbox.isolation.capabilities()
    workspace = IsolatedWorkspaceSpec(path=WORKSPACE, mode="rw")
    if not capabilities.available:
        await refused(sandbox.isolation.create(CreateIsolatedSessionRequest(workspace=workspace)))
        return
    session = await sandbox.isolation.create(
        CreateIsolatedSessionRequest(workspace=workspace, profile="strict", idle_timeout_seconds=60)
    )
    assert session.info.profile == "strict" and session.info.workspace.path == WORKSPACE
    await session.run("kept=yes")
    attached = await sandbox.isolation.attach(session.session_id)
    run = await attached.run(
        "echo $kept $GIVEN; exit 3", opts=IsolatedRunOpts(envs={"GIVEN": "given"}, timeout_seconds=20)
    )
    assert [message.text for message in run.logs.stdout] == ["yes given"]
    assert (run.error.name, run.error.value, run.exit_code) == ("ExitError", "3", 3)
    state = await attached.get()
    assert state.status == "active" and 0 < state.idle_remaining_seconds <= 60
    assert [one.session_id for one in await sandbox.isolation.list()] == [session.session_id]
    started = await session.run_background("echo from behind; exit 4")
    while (status := await session.run_status(started.run_id)).running:
        await asyncio.sleep(0.05)
    assert status.exit_code == 4 and status.finished_at is not None
    logs = await session.run_logs(started.run_id)
    assert (logs.text, logs.cursor) == ("from behind\n", 12)
    await reads_and_writes(session.files, lambda name: f"{WORKSPACE}/py/isolated/{name}")
    await session.delete()
    await refused(session.get())


async def main():
    sandbox = await Sandbox.connect(os.environ["SANDBOX_ID"], connection_config=config)
    await reads_and_writes(sandbox.files, lambda name: f"{WORKSPACE}/py/{name}")
    if os.getuid() == 0:
        await sandbox.files.write_file(f"{WORKSPACE}/py/roots", "secret", mode=600)
        nobody = sandbox.files_with_identity(65534, 65534)
        await refused(nobody.read_file(f"{WORKSPACE}/py/roots"))
        await sandbox.files.set_permissions(
            [SetPermissionEntry(path=f"{WORKSPACE}/py/roots", owner="nobody", group="nogroup", mode=600)]
        )
        assert await nobody.read_file(f"{WORKSPACE}/py/roots") == "secret"
    metrics = await sandbox.get_metrics()
    assert metrics.cpu_count > 0 and 0 <= metrics.cpu_used_percentage <= 100
    assert 0 < metrics.memory_used_in_mib <= metrics.memory_total_in_mib
    await isolation(sandbox)
    await sandbox.close()
    print("ok")


asyncio.run(main())
