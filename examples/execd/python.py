"""The OpenSandbox Python libraries against a running daemon: commands, a session, files, and code that keeps its state.

Usage: python examples/execd/python.py HOST:PORT SANDBOX_ID   (with OPEN_SANDBOX_API_KEY in the environment)
"""

import asyncio
import os
import sys

from code_interpreter import CodeInterpreter, SupportedLanguage
from opensandbox import Sandbox
from opensandbox.config import ConnectionConfig
from opensandbox.models.execd import ExecutionHandlers, RunCommandOpts
from opensandbox.models.filesystem import ContentReplaceEntry, SearchEntry


def text(execution):
    return " ".join(message.text for message in execution.logs.stdout).strip()


async def commands(sandbox):
    options = RunCommandOpts(envs={"GREETING": "hello"}, working_directory="/tmp")
    print("command:", text(await sandbox.commands.run("echo $GREETING; pwd", opts=options)))
    print("failed:", (await sandbox.commands.run("exit 5")).exit_code)

    async def live(message):
        print("live:", message.text)

    loop = "for i in 1 2 3; do echo $i; sleep 0.1; done"
    await sandbox.commands.run(loop, handlers=ExecutionHandlers(on_stdout=live))

    options = RunCommandOpts(background=True)
    background = await sandbox.commands.run("echo started; exec sleep 1000", opts=options)
    logs = await sandbox.commands.get_background_command_logs(background.id)
    while logs.content == "":
        logs = await sandbox.commands.get_background_command_logs(background.id)
    await sandbox.commands.interrupt(background.id)
    status = await sandbox.commands.get_command_status(background.id)
    print("background:", logs.content.strip(), status.running, status.exit_code)

    session = await sandbox.commands.create_session(working_directory="/tmp")
    await sandbox.commands.run_in_session(session, "count=6; times() { echo $((count * $1)); }")
    print("session:", text(await sandbox.commands.run_in_session(session, "times 7")))
    await sandbox.commands.delete_session(session)


async def files(sandbox):
    await sandbox.files.write_file("notes/a.txt", "one\ntwo\n", mode=640)
    entry = ContentReplaceEntry(path="notes/a.txt", old_content="two", new_content="three")
    await sandbox.files.replace_contents([entry])
    (found,) = await sandbox.files.search(SearchEntry(path="notes", pattern="*.txt"))
    print("file:", repr(await sandbox.files.read_file("notes/a.txt")), found.mode, found.size)
    await sandbox.files.delete_directories(["notes"])


async def code(sandbox):
    codes = (await CodeInterpreter.create(sandbox=sandbox)).codes
    context = await codes.create_context(SupportedLanguage.PYTHON)
    await codes.run("answer = 42", context=context)
    print("code:", (await codes.run("answer", context=context)).result[0].text)
    failed = await codes.run("answer / 0", context=context)
    print("error:", failed.error.name, failed.error.value)
    await codes.delete_context(context.id)

    for language, line in (
        (SupportedLanguage.JAVASCRIPT, "console.log([1, 2, 3].at(-1))"),
        (SupportedLanguage.TYPESCRIPT, "const n: number = 3; console.log(n)"),
        (SupportedLanguage.BASH, "echo $((1 + 2))"),
    ):
        print(f"{language}:", text(await codes.run(line, language=language)))


async def main():
    domain, sandbox_id = sys.argv[1:3]
    key = os.environ["OPEN_SANDBOX_API_KEY"]
    config = ConnectionConfig(domain=domain, api_key=key, protocol="http")
    sandbox = await Sandbox.connect(sandbox_id, connection_config=config)
    await commands(sandbox)
    await files(sandbox)
    await code(sandbox)
    await sandbox.close()


asyncio.run(main())
