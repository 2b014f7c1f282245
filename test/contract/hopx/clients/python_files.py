"""Everything about files that the Python library offers, synchronous and asynchronous. Run by files.test.ts;
fails by raising."""

import asyncio
import pathlib
import sys
import tempfile

from hopx_ai import AsyncSandbox, Sandbox
from hopx_ai.errors import FileNotFoundError as SandboxFileNotFoundError
from hopx_ai.errors import HopxError

url, sandbox_id, key, workspace = sys.argv[1:5]
IMAGE = bytes([0x89, 0x50, 0x4E, 0x47, 0, 255, 10, 13])


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def synchronous():
    files = Sandbox.connect(sandbox_id, api_key=key, base_url=url).files
    for name in [workspace + "/py/a b+c&d#e%25.txt", workspace + '/py/naïve 文件 "quoted".txt']:
        files.write(name, "hé\n")
        check(files.read(name), "hé\n")
        check(files.exists(name), True)
    files.write_bytes(workspace + "/py/image.png", IMAGE)
    check(files.read_bytes(workspace + "/py/image.png"), IMAGE)
    files.write(workspace + "/py/run.sh", "true", mode="0755")

    files.mkdir(workspace + "/py/dir/a/b")
    listed = {one.name: one for one in files.list(workspace + "/py")}
    check(len(listed), 5)
    check((listed["dir"].is_directory, listed["run.sh"].is_directory), (True, False))
    check((listed["run.sh"].permissions, listed["image.png"].size), ("rwxr-xr-x", len(IMAGE)))
    assert listed["image.png"].modified_time.tzinfo is not None

    with tempfile.TemporaryDirectory() as local:
        up, down = pathlib.Path(local, "up"), pathlib.Path(local, "down")
        up.write_bytes(b"\r\n--x" * 600_000)
        files.upload(str(up), workspace + "/py/up loaded")
        files.download(workspace + "/py/up loaded", str(down))
        check(down.read_bytes() == up.read_bytes(), True)

    try:
        files.read("/non-existent.txt")
        raise AssertionError("a missing file was read")
    except SandboxFileNotFoundError as error:
        assert "/non-existent.txt" in str(error), error
    check(files.exists("/non-existent.txt"), False)
    try:
        files.read("/dev/zero")
        raise AssertionError("a device was read")
    except HopxError as error:
        assert "it is a device" in str(error), error

    files.remove(workspace + "/py")
    check(files.exists(workspace + "/py"), False)


async def asynchronous():
    files = (await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)).files
    for name in [workspace + "/apy/a b+c.txt", workspace + "/apy/文件.txt"]:
        await files.write(name, "hé\n")
        check(await files.read(name), "hé\n")
        check(await files.exists(name), True)
    await files.write_bytes(workspace + "/apy/image.png", IMAGE)
    check(await files.read_bytes(workspace + "/apy/image.png"), IMAGE)
    await files.mkdir(workspace + "/apy/dir")
    check(sorted(one.name for one in await files.list(workspace + "/apy") if one.is_directory), ["dir"])
    try:
        await files.read("/non-existent.txt")
        raise AssertionError("a missing file was read")
    except SandboxFileNotFoundError:
        pass
    check(await files.exists("/non-existent.txt"), False)
    await files.remove(workspace + "/apy")
    check(await files.exists(workspace + "/apy"), False)


synchronous()
asyncio.run(asynchronous())
print("ok")
