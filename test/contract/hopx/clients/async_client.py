"""The Python library's asynchronous runs, in both forms. Run by async.test.ts, which receives the callbacks."""

import asyncio
import sys

from hopx_ai import AsyncSandbox, Sandbox
from hopx_ai.errors import HopxError

url, sandbox_id, key, callback_url = sys.argv[1:5]
CODE = "import os; print(os.environ['WHO'], os.getcwd())"


def options(who):
    return dict(
        callback_url=callback_url,
        callback_headers={"X-Caller": who},
        callback_signature_secret="a secret",
        env={"WHO": who},
        working_dir="/tmp",
    )


def show(started):
    assert started["execution_id"].startswith("exec_"), started
    assert (started["status"], started["callback_url"]) == ("queued", callback_url), started
    print(started["execution_id"])


sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)
show(sandbox.run_code_async(CODE, **options("python")))
try:
    sandbox.run_code_async("1", callback_url="http://169.254.169.254/")
    raise AssertionError("a metadata address was accepted")
except HopxError as error:
    assert "metadata" in str(error), error


async def asynchronous():
    other = await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)
    show(await other.run_code_async(CODE, **options("asyncio")))


asyncio.run(asynchronous())
