"""What the Python client library offers on commands, sessions and the sandbox; prints facts as JSON."""

import asyncio
import json
import os
import sys
from datetime import timedelta

from opensandbox import Sandbox
from opensandbox.config import ConnectionConfig
from opensandbox.manager import SandboxManager
from opensandbox.models.execd import ExecutionHandlers, RunCommandOpts
from opensandbox.models.sandboxes import SandboxFilter

config = ConnectionConfig(domain=os.environ["DOMAIN"], api_key=os.environ["API_KEY"], protocol="http")
facts = {}


def texts(messages):
    return [message.text for message in messages]


async def refused(awaitable):
    try:
        await awaitable
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


async def commands(sandbox):
    seen = []

    async def init(event):
        seen.append("init")

    async def stdout(message):
        seen.append(f"out {message.text}")

    async def complete(event):
        seen.append("complete")

    handlers = ExecutionHandlers(on_init=init, on_stdout=stdout, on_execution_complete=complete)
    hello = await sandbox.commands.run("echo 'Hello OpenSandbox'", handlers=handlers)
    facts["hello"] = {"stdout": texts(hello.logs.stdout), "exitCode": hello.exit_code, "seen": seen}
    argv = await sandbox.commands.run(["printf", "%s|", "a b", "$HOME"])
    facts["argv"] = texts(argv.logs.stdout)
    failed = await sandbox.commands.run("echo odd >&2; exit 5")
    facts["failed"] = {
        "stderr": texts(failed.logs.stderr),
        "exitCode": failed.exit_code,
        "error": [failed.error.name, failed.error.value, failed.error.traceback],
        "complete": failed.complete is not None,
    }
    opts = RunCommandOpts(working_directory="/tmp", envs={"GIVEN": "value"}, timeout=timedelta(seconds=20))
    facts["placed"] = texts((await sandbox.commands.run('pwd; echo "$GIVEN"', opts=opts)).logs.stdout)
    odd = await sandbox.commands.run("printf 'a\\302\\205b\\342\\200\\250c\\n'")
    facts["odd"] = texts(odd.logs.stdout)
    late = await sandbox.commands.run("sleep 100", opts=RunCommandOpts(timeout=timedelta(milliseconds=200)))
    facts["late"] = late.error.traceback

    back = await sandbox.commands.run("echo in the back; exit 3", opts=RunCommandOpts(background=True))
    status = await sandbox.commands.get_command_status(back.id)
    while status.running:
        status = await sandbox.commands.get_command_status(back.id)
    logs = await sandbox.commands.get_background_command_logs(back.id, 0)
    facts["background"] = [back.exit_code, status.exit_code, logs.content, logs.cursor]
    sleeping = await sandbox.commands.run("sleep 1000", opts=RunCommandOpts(background=True))
    await sandbox.commands.interrupt(sleeping.id)
    facts["interrupted"] = (await sandbox.commands.get_command_status(sleeping.id)).exit_code
    await sandbox.commands.set_env("SET_BY_CLIENT", "it's \"here\"")
    facts["env"] = texts((await sandbox.commands.run('printf %s "$SET_BY_CLIENT"')).logs.stdout)


async def sessions(sandbox):
    session = await sandbox.commands.create_session(working_directory="/tmp")

    async def run(command, **more):
        return texts((await sandbox.commands.run_in_session(session, command, **more)).logs.stdout)

    facts["session"] = [
        await run("pwd; plain=kept"),
        await run('pwd; echo "$plain"', working_directory="/var"),
        await run("pwd"),
    ]
    seven = await sandbox.commands.run_in_session(session, "sh -c 'echo odd >&2; exit 7'")
    facts["seven"] = [seven.error.name, seven.error.value, seven.exit_code, seven.complete is None]
    await sandbox.commands.delete_session(session)
    facts["gone"] = await refused(sandbox.commands.run_in_session(session, "true"))
    facts["bare"] = len(await sandbox.commands.create_session())


async def main():
    sandbox = await Sandbox.connect(os.environ["SANDBOX_ID"], connection_config=config)
    info = await sandbox.get_info()
    facts["info"] = [info.id, info.status.state, await sandbox.is_healthy()]
    facts["endpoint"] = (await sandbox.get_endpoint(8000)).endpoint
    await commands(sandbox)
    await sessions(sandbox)
    facts["kill"] = await refused(sandbox.kill())
    facts["renew"] = await refused(sandbox.renew(timedelta(minutes=10)))
    facts["diagnostics"] = await refused(sandbox.get_diagnostic_logs("all"))
    resumed = await Sandbox.resume(os.environ["SANDBOX_ID"], connection_config=config)
    facts["resumed"] = await resumed.is_healthy()
    manager = await SandboxManager.create(connection_config=config)
    page = await manager.list_sandbox_infos(SandboxFilter(states=["Running"]))
    facts["list"] = [found.id for found in page.sandbox_infos]
    facts["unknown"] = await refused(manager.get_sandbox_info("nothing"))
    await sandbox.close()
    json.dump(facts, sys.stdout)


asyncio.run(main())
