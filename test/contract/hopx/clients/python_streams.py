"""Everything of the Python library that streams, but for the terminal, in both of its forms. Run by
stream-clients.test.ts; fails by raising."""

import asyncio
import os
import sys

from hopx_ai import AsyncSandbox, Sandbox

url, sandbox_id, key = sys.argv[1:4]
workspace = os.environ["WORKSPACE"]


async def collect(stream):
    return [message async for message in stream]


def text(messages, kind):
    return "".join(one["data"] for one in messages if one["type"] == kind)


# The programs of the published cookbook, with shorter pauses.
STEPS = """
import time
import sys

for i in range(5):
    print(f"Step {i+1}/5", flush=True)
    sys.stderr.write(f"Progress: {(i+1)*20}%\\n")
    sys.stderr.flush()
    time.sleep(0.05)

print("Complete!", flush=True)
"""
ENVIRONMENT = """
import os
import time

api_key = os.environ.get('API_KEY')
debug = os.environ.get('DEBUG')

print(f"API Key: {api_key}")
print(f"Debug: {debug}")

for i in range(3):
    print(f"Processing {i+1}...")
    time.sleep(0.05)
"""


async def stream_code(sandbox):
    steps = await collect(sandbox.run_code_stream(STEPS))
    assert text(steps, "stdout") == "".join(f"Step {i}/5\n" for i in range(1, 6)) + "Complete!\n"
    assert text(steps, "stderr") == "".join(f"Progress: {i * 20}%\n" for i in range(1, 6))
    assert [one["type"] for one in steps].count("stdout") >= 5, "told as it goes"
    assert steps[-2]["type"] == "result" and steps[-2]["exit_code"] == 0
    assert isinstance(steps[-2]["execution_time"], float)
    assert steps[-1]["type"] == "complete" and steps[-1]["success"] is True

    told = await collect(
        sandbox.run_code_stream(ENVIRONMENT, env={"API_KEY": "sk-test-123", "DEBUG": "true"})
    )
    assert text(told, "stdout").startswith("API Key: sk-test-123\nDebug: true\nProcessing 1...\n")

    failed = await collect(
        sandbox.run_code_stream("echo no >&2; exit 4", language="bash", working_dir="/tmp")
    )
    assert [failed[-2]["exit_code"], failed[-1]["success"]] == [4, False]

    late = await collect(sandbox.run_code_stream("sleep 60", language="bash", timeout=1))
    assert late[-2]["exit_code"] == 124

    many = await asyncio.gather(
        *(collect(sandbox.run_code_stream(f"echo {n}", language="bash")) for n in range(10))
    )
    assert [text(one, "stdout") for one in many] == [f"{n}\n" for n in range(10)]


async def watch(files, path, count, change):
    """Stops after some events, as the published cookbook does."""
    seen = []

    async def look():
        async for event in files.watch(path):
            if event["type"] == "status":
                asyncio.get_running_loop().create_task(change())
            if event["type"] == "change":
                seen.append((event["event"], event["path"]))
                if len(seen) >= count:
                    return

    await asyncio.wait_for(look(), 30)
    return seen


async def main():
    sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)
    await stream_code(sandbox)

    # Written by the library, each call when the change before it has been told.
    async def workspace_changes():
        files = sandbox.files
        for act in (
            lambda: files.write(f"{workspace}/test1.txt", "Content 1"),
            lambda: files.write(f"{workspace}/test2.txt", "Content 2"),
            lambda: files.write(f"{workspace}/test1.txt", "Updated content"),
            lambda: files.mkdir(f"{workspace}/newdir"),
            lambda: files.remove(f"{workspace}/test2.txt"),
        ):
            await asyncio.to_thread(act)
            await asyncio.sleep(0.1)

    seen = await watch(sandbox.files, workspace, 10, workspace_changes)
    assert ("created", f"{workspace}/test1.txt") in seen, seen
    assert ("modified", f"{workspace}/test1.txt") in seen, seen
    assert ("created", f"{workspace}/newdir") in seen, seen
    assert ("deleted", f"{workspace}/test2.txt") in seen, seen

    await asyncio.to_thread(sandbox.files.mkdir, f"{workspace}/monitored")

    async def monitored_changes():
        for path in ("monitored/file1.txt", "monitored/file2.txt", "other.txt"):
            await asyncio.to_thread(sandbox.files.write, f"{workspace}/{path}", "Test")
            await asyncio.sleep(0.1)

    seen = await watch(sandbox.files, f"{workspace}/monitored", 5, monitored_changes)
    assert all(path.startswith(f"{workspace}/monitored/") for _, path in seen), seen

    other = await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)
    await stream_code(other)

    async def async_changes():
        await other.files.write(f"{workspace}/async.txt", "text")

    seen = await watch(other.files, workspace, 2, async_changes)
    assert seen[0] == ("created", f"{workspace}/async.txt"), seen


asyncio.run(main())
print("ok")
