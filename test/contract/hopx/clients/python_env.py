"""Everything the Python library offers for variables and the cache, synchronous and asynchronous. Run by
env.test.ts; fails by raising."""

import asyncio
import sys

from hopx_ai import AsyncSandbox, Sandbox
from hopx_ai.errors import AgentError

url, sandbox_id, key = sys.argv[1:4]
ODD = "zwei ü '\"$"


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def synchronous():
    sandbox = Sandbox.connect(sandbox_id, api_key=key, base_url=url)

    def seen(name):
        return sandbox.commands.run(f'printf %s "${name}"').stdout

    fresh = sandbox.env.get_all()
    assert fresh["PATH"] and fresh["HOME"]
    check(sandbox.env.get("NOT_THERE", "default"), "default")

    check(sandbox.env.set("API_KEY", "sk-1"), {**fresh, "API_KEY": "sk-1"})
    check((sandbox.env.get("API_KEY"), seen("API_KEY")), ("sk-1", "sk-1"))
    check(sandbox.env.update({"DEBUG": "true"}), {**fresh, "API_KEY": "sk-1", "DEBUG": "true"})
    sandbox.env.delete("DEBUG")
    sandbox.env.delete("NEVER_SET")
    check(sandbox.env.get_all(), {**fresh, "API_KEY": "sk-1"})
    check((seen("DEBUG"), seen("API_KEY")), ("", "sk-1"))

    check(fresh["OPERATOR_PROXY"], "http://proxy.example")
    sandbox.env.delete("OPERATOR_PROXY")
    check((sandbox.env.get("OPERATOR_PROXY"), seen("OPERATOR_PROXY")), (None, ""))

    check(sandbox.env.set_all({"ONE": "1", "TWO": ODD}), {"ONE": "1", "TWO": ODD})
    check(sandbox.env.get_all(), {**fresh, "ONE": "1", "TWO": ODD})
    check((seen("TWO"), seen("API_KEY")), (ODD, ""))
    check(sandbox.run_code("import os; print(os.environ['ONE'])").stdout, "1\n")
    check(sandbox.run_code("import os; print(os.environ['ONE'])", env={"ONE": "request"}).stdout, "request\n")

    try:
        sandbox.env.set("A=B", "secret")
        raise AssertionError("a bad name was accepted")
    except AgentError as error:
        assert "A=B" in str(error) and "secret" not in str(error), error

    sandbox.env.set_all({})
    check(sandbox.env.get_all(), fresh)

    cleared = sandbox.cache.clear()
    check(cleared["message"], "Cache cleared successfully")
    assert isinstance(cleared["entries_removed"], int)
    # The fields that the library's own documentation reads.
    stats = sandbox.cache.stats()
    f"{stats['hits']} {stats['misses']} {stats['hit_rate']:.2%} {stats['size']} MB {stats['count']}"
    assert "total_hits" in stats["cache"]


async def asynchronous():
    sandbox = await AsyncSandbox.connect(sandbox_id, api_key=key, base_url=url)
    fresh = await sandbox.env.get_all()
    assert fresh["PATH"] and fresh["HOME"]
    await sandbox.env.set("API_KEY", "sk-1")
    check(await sandbox.env.get("API_KEY"), "sk-1")
    check(await sandbox.env.update({"DEBUG": "true"}), {**fresh, "API_KEY": "sk-1", "DEBUG": "true"})
    await sandbox.env.delete("DEBUG")
    check(await sandbox.env.get_all(), {**fresh, "API_KEY": "sk-1"})
    check(await sandbox.env.set_all({"ONE": "1"}), {"ONE": "1"})
    check(await sandbox.env.get_all(), {**fresh, "ONE": "1"})
    run = await sandbox.run_code("import os; print(os.environ['ONE'])")
    check(run.stdout, "1\n")
    await sandbox.env.set_all({})
    check(await sandbox.env.get_all(), fresh)
    check(await sandbox.cache.clear(), None)
    assert "cache" in await sandbox.cache.stats()


synchronous()
asyncio.run(asynchronous())
print("ok")
