"""What the Python code-interpreter library offers; prints facts as JSON."""

import asyncio
import json
import os
import sys

from code_interpreter import CodeInterpreter, SupportedLanguage
from opensandbox import Sandbox
from opensandbox.config import ConnectionConfig

config = ConnectionConfig(domain=os.environ["DOMAIN"], api_key=os.environ["API_KEY"], protocol="http")
facts = {}
PYTHON = SupportedLanguage.PYTHON


def texts(messages):
    return [message.text for message in messages]


async def refused(awaitable):
    try:
        await awaitable
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


async def main():
    sandbox = await Sandbox.connect(os.environ["SANDBOX_ID"], connection_config=config)
    interpreter = await CodeInterpreter.create(sandbox=sandbox)
    facts["id"] = interpreter.id
    codes = interpreter.codes
    first = await codes.run("result = 2 + 2\nresult", language=PYTHON)
    facts["first"] = {
        "result": [one.text for one in first.result],
        "count": first.execution_count,
        "complete": first.complete is not None,
        "error": first.error,
        "exitCode": first.exit_code,
    }
    context = await codes.create_context(PYTHON)
    facts["language"] = context.language
    await codes.run("x = 42", context=context)
    kept = await codes.run("print(f'x is {x}')", context=context)
    facts["kept"] = texts(kept.logs.stdout)
    facts["initIsContext"] = kept.id == context.id
    apart = await codes.run("print(x)", language=PYTHON)
    facts["apart"] = [apart.error.name, apart.error.value, apart.complete is not None]
    facts["traceback"] = len(apart.error.traceback) > 0

    async def interrupt():
        while not started.is_set():
            await asyncio.sleep(0.01)
        await codes.interrupt(context.id)

    started = asyncio.Event()

    async def on_stdout(message):
        started.set()

    from opensandbox.models.execd import ExecutionHandlers

    busy = "print('up', flush=True)\nimport time\ntime.sleep(1000)"
    handlers = ExecutionHandlers(on_stdout=on_stdout)
    stopped, _ = await asyncio.gather(codes.run(busy, context=context, handlers=handlers), interrupt())
    facts["stopped"] = stopped.error.name
    facts["after"] = texts((await codes.run("print(x)", context=context)).logs.stdout)
    facts["got"] = (await codes.get_context(context.id)).id == context.id
    facts["listed"] = context.id in [one.id for one in await codes.list_contexts(PYTHON)]
    await codes.delete_context(context.id)
    facts["deleted"] = await refused(codes.get_context(context.id))
    await codes.delete_contexts(PYTHON)
    facts["left"] = len(await codes.list_contexts(PYTHON))
    facts["noLanguage"] = await refused(codes.create_context("cobol"))
    await sandbox.close()
    json.dump(facts, sys.stdout)


asyncio.run(main())
