import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunRequest } from "../../src/engine/engine.ts";
import { readStat } from "../../src/engine/process/proc.ts";
import { openEngine, outcome, until, type TestEngine } from "../support/engine.ts";
import { startWarm, WarmAndCold } from "../support/warm.ts";

setDefaultTimeout(60_000);

/** The product's own, as `make test` makes it: it has the packages. */
const PYTHON = join(import.meta.dir, "../../.sanderling/python/bin/python3");

let lab: WarmAndCold;
let warm: TestEngine;

beforeAll(async () => {
  lab = await WarmAndCold.open({ programs: { python: PYTHON } });
  warm = lab.warm;
  for (const { workspace } of [lab.cold, warm]) {
    await mkdir(join(workspace, "pkg"));
    await writeFile(join(workspace, "pkg/__init__.py"), "import os\nSEEN = os.environ.get('SEEN')\n");
    await writeFile(join(workspace, "beside.py"), "value = 7\n");
  }
});

afterAll(() => lab[Symbol.asyncDispose]());

const start = (code: string, request: RunRequest = {}, engine = warm) =>
  startWarm(engine, "python", code, request);

const PROGRAMS: Readonly<Record<string, string | { code: string; request: RunRequest }>> = {
  names: `import sys, os
print(__name__, __file__ == sys.modules["__main__"].__file__, os.path.basename(__file__), sys.argv)
print(__doc__, __package__, __spec__, type(__builtins__), sorted(k for k in globals()))`,
  path: `import sys
print(sys.path, sys.prefix, sys.base_prefix, sys.executable)`,
  flags: `import sys
print(sys.flags, sys.warnoptions, sys.dont_write_bytecode, sys._xoptions, sys.implementation.name)
print(sys.getrecursionlimit(), sys.getswitchinterval(), sys.gettrace(), sys.getprofile())`,
  "original arguments": `import sys, os
print([os.path.basename(a) for a in sys.orig_argv])`,
  traceback: `def f():
    return missing
f()`,
  "a chained traceback": `try:
    {}["a"]
except KeyError:
    raise ValueError("b")`,
  "a syntax error": "x = 1\nprint(x\n",
  "a printed stack": `import traceback, inspect
def f():
    traceback.print_stack()
    return len(inspect.stack())
print(f())`,
  "a destructor that runs when its module is taken apart": `import sys, types
late = types.ModuleType("late")
text = "class Late:\\n    def __del__(self): print('at the end', helper, _own)\\nkept = Late()\\nhelper = _own = 1"
exec(text, late.__dict__)
sys.modules["late"] = sys.late = late
del late`,
  "sys.exit without a value": "import sys; sys.exit()",
  "sys.exit with a number": "import sys; sys.exit(7)",
  "sys.exit with a large number": "import sys; sys.exit(300)",
  "sys.exit with a text": "import sys; sys.exit('no')",
  "sys.exit with None": "raise SystemExit(None)",
  "sys.exit with a tuple": "raise SystemExit((1, 2))",
  "os._exit": "import os; print('x', flush=True); os._exit(9)",
  "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
  "an abort": "import os; os.abort()",
  KeyboardInterrupt: "raise KeyboardInterrupt",
  "an interrupt from outside":
    "import os, signal; os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(9)",
  atexit: `import atexit
atexit.register(print, "one")
atexit.register(print, "two")
print("body")`,
  "an atexit that fails": `import atexit
atexit.register(lambda: 1 / 0)
print("body")`,
  "objects that end with the program": `class A:
    def __del__(self): print("gone", flush=True)
kept = A()
also = [kept]`,
  "objects that end with a failed program": `class A:
    def __del__(self): print("gone", flush=True)
kept = A()
raise ValueError(1)`,
  threads: `import threading, time
def work(n):
    gate.wait(); time.sleep(n / 10); print("thread", n, flush=True)
gate = threading.Event()
for n in range(1, 4): threading.Thread(target=work, args=(n,), name=f"w{n}").start()
print("main", threading.current_thread().name, threading.active_count(), flush=True)
gate.set()`,
  "a daemon thread": `import threading, time
threading.Thread(target=lambda: time.sleep(60), daemon=True).start()
print("done")`,
  "a thread that fails": `import threading
t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()`,
  subprocess: `import subprocess
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
print(subprocess.run("echo direct; ls /proc/self/fd", shell=True).returncode)`,
  "multiprocessing by fork": `import multiprocessing as m
def work(n): return n * n
if __name__ == "__main__":
    with m.get_context("fork").Pool(2) as p: print(p.map(work, range(4)))`,
  "multiprocessing by spawn": `import multiprocessing as m
def work(n): return n * n
if __name__ == "__main__":
    with m.get_context("spawn").Pool(1) as p: print(p.map(work, range(2)))`,
  asyncio: `import asyncio
async def main():
    await asyncio.sleep(0.01)
    p = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
    print((await p.communicate())[0], p.returncode)
asyncio.run(main())`,
  "signal handlers": `import signal
for s in signal.valid_signals():
    try: print(int(s), getattr(signal.getsignal(s), "__name__", signal.getsignal(s)))
    except (OSError, ValueError): pass
print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getitimer(signal.ITIMER_REAL), signal.set_wakeup_fd(-1))`,
  "an alarm": "import signal, time; signal.alarm(1); time.sleep(30)",
  warnings: `import warnings
warnings.warn("careful")
warnings.warn("old", DeprecationWarning)
print(warnings.filters)`,
  "no stdin": `import sys
print(repr(sys.stdin.read()), sys.stdin.isatty(), sys.stdin.fileno())
try: input()
except EOFError as e: print("end of file", e)`,
  "a line of stdin": { code: "print(input('name? '))", request: { stdin: "Ada\nnext\n" } },
  "all of stdin": {
    code: "import sys, os; print(sys.stdin.buffer.read() == b'x' * 300000, os.path.basename(os.readlink('/proc/self/fd/0')))",
    request: { stdin: "x".repeat(300_000) },
  },
  "output without a newline": "import sys; sys.stdout.write('a'); sys.stderr.write('b')",
  "closed output": "import sys; print('before', flush=True); sys.stdout.close()",
  "closed error output": "import os, sys; os.close(2); raise ValueError(1)",
  buffering: `import sys
for s in (sys.stdin, sys.stdout, sys.stderr): print(s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines)`,
  "its standard files": `import os, stat
for fd in (0, 1, 2): print(fd, oct(stat.S_IFMT(os.fstat(fd).st_mode)), os.get_inheritable(fd), os.get_blocking(fd))
open("/dev/stdout", "w").write("reopened\\n")`,
  "open descriptors": `import os
print(sorted(os.listdir("/proc/self/fd"), key=int)[:-1])`,
  locale: `import locale, sys
print(locale.getlocale(), locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), locale.getpreferredencoding())`,
  environment: {
    code: "import os; print(os.environ['MINE'], os.environb[b'ODD'], os.getenv('GONE')); os.system('echo $MINE')",
    request: { env: { MINE: "a=b\nc", ODD: "é" } },
  },
  "the variables by name": `import os
print(sorted(n for n in os.environ if n != "SANDERLING_TEST_ENGINE"))`,
  "variables read at import": { code: "import pkg; print(pkg.SEEN)", request: { env: { SEEN: "yes" } } },
  "modules beside it": "import beside, pkg; print(beside.value, pkg.__file__.split('/')[-2:])",
  "a directory of its own": { code: "import os; print(os.getcwd(), os.listdir())", request: { cwd: "pkg" } },
  "time zone": "import time, os; print(time.tzname, time.timezone)",
  umask: "import os; print(oct(os.umask(0)))",
  session: `import os
print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), os.nice(0), os.getpriority(os.PRIO_PROCESS, 0))`,
  limits: `import resource
for n in dir(resource):
    if n.startswith("RLIMIT"): print(n, resource.getrlimit(getattr(resource, n)))`,
  "a limit of open files": {
    code: "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))",
    request: { limits: { openFiles: 64 } },
  },
  "garbage collection": "import gc; print(gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.callbacks)",
  recursion: "def f(): f()\ntry: f()\nexcept RecursionError as e: print(type(e))",
  "dataclasses, pickles and inspect": `import dataclasses, pickle, inspect
@dataclasses.dataclass
class P: x: int
print(pickle.loads(pickle.dumps(P(1))), inspect.getsource(P))`,
  "its own main module":
    "import __main__, sys; print(__main__ is sys.modules['__main__'], __main__.__dict__ is globals())",
  "a child that outlives it": "import subprocess; subprocess.Popen(['sleep', '0.2']); print('left')",
  "a fork": `import os
pid = os.fork()
if pid == 0: print("child", flush=True)
else: print(os.waitpid(pid, 0)[1], flush=True)`,
  "a memory error": { code: "x = bytearray(1 << 40)", request: {} },
  "large output": "print('x' * 3_000_000)",
  numpy: `import numpy as np
print(np.arange(6).reshape(2, 3).sum(), np.linalg.inv(np.eye(2) * 2))
class A:
    def __del__(self): print("gone", flush=True)
kept = A()`,
  "numpy and a failure": "import numpy as np\nnp.zeros(2) @ np.zeros(3)",
  "numpy and sys.exit": "import numpy, sys, atexit\natexit.register(print, 'bye')\nsys.exit('no')",
  "numpy and an interrupt": "import numpy\nraise KeyboardInterrupt",
  "numpy and threads": `import numpy as np, threading
threading.Thread(target=lambda: print(float(np.ones((200, 200)).dot(np.ones((200, 200))).sum()))).start()`,
  "numpy and a closed output": "import numpy, sys; print('before', flush=True); sys.stdout.close()",
};

describe("an interpreter that has waited shows a program what one of its own shows it", () => {
  test.each(Object.entries(PROGRAMS))("%s", async (_, program) => {
    const { code, request } = typeof program === "string" ? { code: program, request: {} } : program;
    const [theirs, ours] = await lab.both("python", code, request);
    expect(ours).toEqual(theirs);
  });
});

describe("a warm run", () => {
  test("has random numbers of its own", async () => {
    const code =
      "import random, uuid, numpy, os\nprint(random.random(), uuid.uuid4(), numpy.random.rand(), os.urandom(4))";
    const all = await Promise.all([1, 2, 3].map(async () => (await outcome(await start(code))).stdout));
    const columns = all.map((line) => line.trim().split(" "));
    for (const column of [0, 1, 2, 3]) expect(new Set(columns.map((values) => values[column])).size).toBe(3);
  });

  test("is stopped by its timeout with all it started, and says so", async () => {
    const code =
      "import subprocess, time\nprint(subprocess.Popen(['setsid', 'sleep', '999']).pid, flush=True)\ntime.sleep(999)";
    const { end, stdout } = await outcome(await start(code, { timeoutMs: 500 }));
    expect(end).toEqual({ cause: "timed_out", afterMs: 500 });
    expect(["Z", "X"]).toContain(readStat(Number(stdout))?.state ?? "X");
  });

  test("reads input while it runs", async () => {
    await using run = await start("print(input() + '!')", { stdin: "a", keepStdinOpen: true });
    run.stdin?.write(Buffer.from("b\n"));
    expect((await outcome(run)).stdout).toBe("ab!\n");
  });

  test("is accounted for like any other", async () => {
    const { usage } = await outcome(await start("x = bytearray(64 << 20); sum(range(2_000_000))"));
    expect(usage.cpuSeconds).toBeGreaterThan(0.01);
    expect(usage.peakMemoryBytes).toBeGreaterThan(64 << 20);
    expect(usage.peakMemoryBytes).toBeLessThan(200 << 20);
  });

  test("finds packages that were installed a moment ago", async () => {
    await outcome(await start("print(1)"));
    await writeFile(join(warm.workspace, "fresh.py"), "value = 'fresh'\n");
    expect((await outcome(await start("import fresh; print(fresh.value)"))).stdout).toBe("fresh\n");
  });

  test.each([
    ["a variable that is read when an interpreter starts", { env: { PYTHONHASHSEED: "1" } }],
    ["warnings that are told while modules are loaded", { env: { PYTHONWARNINGS: "error" } }],
    ["another locale", { env: { LC_ALL: "POSIX" } }],
    ["a number of threads that libraries read when they are loaded", { env: { OMP_NUM_THREADS: "1" } }],
    ["a limit of processors", { limits: { cpus: 1 } }],
    ["an environment too large for a message", { env: { LARGE: "x".repeat(100_000) } }],
  ] as const)("is none with %s: an interpreter is started for it", async (_, request) => {
    await outcome(await start("print(1)"));
    await using run = await warm.code("python", "print(2)", request);
    expect([run.isWarm, (await outcome(run)).stdout]).toEqual([false, "2\n"]);
  });

  test("that ends its server is lost and leaves nothing, and the next ones go on", async () => {
    const code = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(999)";
    expect((await outcome(await start(code))).end.cause).toBe("lost");
    expect((await outcome(await start("print('again')"))).stdout).toBe("again\n");
  });

  test("goes on when another program imports what no program has imported before", async () => {
    await using long = await start("import numpy\nprint(input())", { stdin: "", keepStdinOpen: true });
    expect((await outcome(await start("import requests; print(requests.__name__)"))).stdout).toBe(
      "requests\n",
    );
    long.stdin?.write(Buffer.from("whole\n"));
    expect(await outcome(long)).toMatchObject({ end: { cause: "exited", code: 0 }, stdout: "whole\n" });
  });

  test("leaves no descriptor of the daemon open", async () => {
    const count = () =>
      Array.from(new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })).length;
    for (let i = 0; i < 5; i++) await outcome(await start("print(1)"));
    const before = count();
    for (let i = 0; i < 30; i++) await outcome(await start("print(1)"));
    await until(() => count() <= before + 4);
  });

  test("is kept together without cgroups too", async () => {
    await using other = await openEngine({
      programs: { python: PYTHON },
      warmInterpreters: 1,
      containment: "process_group",
    });
    const code =
      "import subprocess, time\nprint(subprocess.Popen(['setsid', 'sleep', '999']).pid, flush=True)\ntime.sleep(999)";
    const { end, stdout } = await outcome(await start(code, { timeoutMs: 500 }, other));
    expect(end).toEqual({ cause: "timed_out", afterMs: 500 });
    expect(["Z", "X"]).toContain(readStat(Number(stdout))?.state ?? "X");
  });

  test.skipIf(process.getuid?.() !== 0)("belongs to the user that code runs as", async () => {
    await using other = await openEngine({
      warmInterpreters: 1,
      runAs: "nobody",
      programs: { python: "/usr/bin/python3" },
    });
    for (const path of [join(other.workspace, ".."), other.temporary]) await chmod(path, 0o755);
    const code =
      "import os; print(os.getresuid(), os.getresgid(), os.getgroups(), os.access('/etc/shadow', os.R_OK))";
    const run = await start(code, {}, other);
    await using cold = await other.code("python", code, { env: { PYTHONHASHSEED: "1" } });
    expect([cold.isWarm, (await outcome(run)).stdout]).toEqual([false, (await outcome(cold)).stdout]);
  });
});
