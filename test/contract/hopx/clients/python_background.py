"""Everything that the Python library offers for processes, synchronous and asynchronous. Run by
background.test.ts; fails by raising."""

import asyncio
import re
import sys
import time

from hopx_ai import AsyncSandbox, Sandbox
from hopx_ai.errors import AgentError

url, sandbox_id, key = sys.argv[1:4]
SLEEP = "import time; time.sleep(600)"


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def until(fact):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        value = fact()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("never true")


def synchronous():
    sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)

    def listed(process_id):
        return next(one for one in sandbox.list_processes() if one["process_id"] == process_id)

    started = sandbox.run_code_background(
        "import os, time; print(os.environ['WORD'], flush=True); time.sleep(600)",
        language="python",
        timeout=100,
        env={"WORD": "hello"},
        name="Sleeper",
    )
    assert started["process_id"].startswith("proc_"), started
    assert started["execution_id"].startswith("exec_"), started
    check(started["status"], "running")
    one = until(lambda: (found := listed(started["process_id"]))["stdout"].endswith("\n") and found)
    check((one["name"].lower(), one["status"], one["stdout"]), ("sleeper", "running", "hello\n"))
    # As the cookbook prints them.
    for every in sandbox.list_processes():
        f"{every['name']}: {every['status']:>10} {every['language']:<8} {every['start_time']:>30}"

    system = sandbox.list_system_processes()
    mine = next(process for process in system if process["pid"] == one["pid"])
    check(mine["process_id"], started["process_id"])
    f"{mine['cpu_percent']:.1f} {mine['memory_percent']:.1f}"

    answer = sandbox.kill_process(started["process_id"])
    check(
        (answer["status"], answer["message"], answer["process_id"]),
        ("killed", "Process terminated successfully", started["process_id"]),
    )
    check(listed(started["process_id"])["status"], "killed")
    check(sandbox.kill_process(started["process_id"])["was_running"], False)

    for field in ("execution_id", "pid"):
        other = sandbox.run_code_background(SLEEP)
        sandbox.kill_process(listed(other["process_id"])[field])
        check(listed(other["process_id"])["status"], "killed")

    try:
        sandbox.kill_process("proc_nobody")
        raise AssertionError("a process that does not exist was killed")
    except AgentError as error:
        assert "Process not found" in str(error), error

    failed = sandbox.run_code_background("raise ValueError('no')")
    done = until(lambda: (found := listed(failed["process_id"]))["status"] != "running" and found)
    check((done["status"], done["exit_code"]), ("failed", 1))
    assert "ValueError: no" in done["stderr"], done

    result = sandbox.commands.run("echo $A; exec sleep 600", background=True, env={"A": "b"}, working_dir="/tmp")
    check((result.exit_code, result.stderr), (0, ""))
    process_id = re.fullmatch(r"Background process started: (proc_\w+)", result.stdout)[1]
    until(lambda: listed(process_id)["stdout"] == "b\n")
    sandbox.kill_process(process_id)


async def asynchronous():
    sandbox = await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)
    started = await sandbox.run_code_background(SLEEP, name="async-sleeper")
    # This client lists the machine's processes under both names.
    for listing in (sandbox.list_processes, sandbox.list_system_processes):
        mine = [one for one in await listing() if one["process_id"] == started["process_id"]]
        check([one["name"] for one in mine], ["async-sleeper"])
        assert mine[0]["status"], mine
    answer = await sandbox.kill_process(started["process_id"])
    check(answer["status"], "killed")
    assert all(one["process_id"] != started["process_id"] for one in await sandbox.list_processes())

    # By what the list gives for a process that is no background run.
    result = await sandbox.commands.run("exec sleep 613", background=True)
    process_id = result.stdout.split(": ")[1]
    pid = next(one["pid"] for one in await sandbox.list_processes() if one["process_id"] == process_id)
    check((await sandbox.kill_process(str(pid)))["status"], "killed")
    try:
        await sandbox.kill_process("proc_nobody")
        raise AssertionError("a process that does not exist was killed")
    except AgentError as error:
        assert "404" in str(error) or "not found" in str(error), error


synchronous()
asyncio.run(asynchronous())
print("ok")
