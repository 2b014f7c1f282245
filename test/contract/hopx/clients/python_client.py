"""Everything of this API that the Python library offers so far, synchronous and asynchronous. Run by
clients.test.ts; fails by raising."""

import asyncio
import sys

from hopx_ai import AsyncSandbox, Sandbox
from hopx_ai.errors import AgentError, HopxError, NotFoundError

url, sandbox_id, key = sys.argv[1:4]


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def synchronous():
    sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)
    hello = sandbox.run_code("print('hello')")
    check((hello.success, hello.stdout, hello.stderr, hello.exit_code), (True, "hello\n", "", 0))
    check(sandbox.run_code("console.log(1 + 1)", language="javascript").stdout, "2\n")
    check(sandbox.run_code("import os; print(os.environ['KEY'])", env={"KEY": "secret"}).stdout, "secret\n")
    check(sandbox.run_code("import os; print(os.getcwd())", working_dir="/tmp").stdout, "/tmp\n")

    failed = sandbox.run_code("raise ValueError('no')")
    check((failed.success, failed.exit_code), (False, 1))
    assert "ValueError: no" in failed.stderr

    late = sandbox.run_code("import time; print('begun'); time.sleep(60)", timeout=1)
    check((late.success, late.exit_code, late.stdout), (False, 124, "begun\n"))

    try:
        sandbox.run_code("puts 1", language="ruby")
        raise AssertionError("an unknown language was accepted")
    except HopxError as error:
        assert "Invalid language: ruby" in str(error), error

    command = sandbox.commands.run("echo $A | tr a-z A-Z; pwd", env={"A": "x"}, working_dir="/tmp")
    check((command.stdout, command.exit_code), ("X\n/tmp\n", 0))
    check(sandbox.commands.run("echo now", background=False).stdout, "now\n")
    bad = sandbox.commands.run("echo out; echo err >&2; exit 3")
    check((bad.stdout, bad.stderr, bad.exit_code), ("out\n", "err\n", 3))
    check(sandbox.commands.run("sleep 60", timeout=1).exit_code, 124)

    check(sandbox.is_healthy(), True)
    check(sandbox.get_agent_info()["vm_id"], sandbox_id)
    check(sandbox.get_info().status, "running")
    check([one.sandbox_id for one in Sandbox.list(api_key=key, base_url=url)], [sandbox_id])

    try:
        Sandbox.connect("nobody", api_key=key, base_url=url)
        raise AssertionError("an unknown sandbox was found")
    except NotFoundError as error:
        assert "Sandbox not found: nobody" in str(error), error
    try:
        Sandbox.create(template="code-interpreter", api_key=key, base_url=url)
        raise AssertionError("a sandbox was created")
    except HopxError as error:
        assert "is the one sandbox" in str(error), error


async def asynchronous():
    sandbox = await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)
    hello = await sandbox.run_code("print('hello')")
    check((hello.success, hello.stdout, hello.exit_code), (True, "hello\n", 0))
    failed = await sandbox.run_code("raise ValueError('no')")
    check((failed.success, failed.exit_code), (False, 1))
    late = await sandbox.run_code("import time; time.sleep(60)", timeout_seconds=1)
    check((late.success, late.exit_code), (False, 124))
    try:
        await sandbox.run_code("puts 1", language="ruby")
        raise AssertionError("an unknown language was accepted")
    except AgentError as error:
        # This client gives only the status of errors that it has no class for.
        assert "400" in str(error), error
    results = await asyncio.gather(*(sandbox.run_code(f"print({n})") for n in range(3)))
    check([result.stdout for result in results], ["0\n", "1\n", "2\n"])
    command = await sandbox.commands.run("echo out; exit 3")
    check((command.stdout, command.exit_code), ("out\n", 3))


synchronous()
asyncio.run(asynchronous())
print("ok")
