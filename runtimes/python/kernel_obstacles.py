"""What of the code of a kernel could not be in a copy of it (kernel_copy.py).

Each is told as a clause about the context and a list of names.
"""

import asyncio
import os
import threading
import time

# Two of each context: ipykernel's own, that of its heartbeat, and that of zero-copy messages once there was one.
_THREADS_OF_CONTEXT = 2


def is_busy(loop):
    """Whether ipykernel itself is not yet through with a request."""
    return any(map(_is_kernels, asyncio.all_tasks(loop)))


def find(app, streams, loop):
    """What would not be in the copy, and whose absence would make it hang or lie."""
    threads = [thread.name for thread in threading.enumerate() if not _is_own(thread, app, streams)]
    if threads:
        return {"what": "its code has threads, which a copy would not have", "threads": threads}
    tasks = [task.get_name() for task in asyncio.all_tasks(loop)]
    if tasks:
        return {"what": "its code has asyncio tasks that are not done, which a copy could not go on with", "tasks": tasks}
    native = _lasting_native_threads()
    if native:
        return {"what": "a library has threads of its own, which a copy would not have", "threads": native}
    children = _children()
    if children:
        return {"what": "its code has running processes, which would not be the copy's", "processes": children}
    return None


def _is_own(thread, app, streams):
    own = [
        threading.main_thread(),
        app.iopub_thread.thread,
        app.control_thread,
        app.shell_channel_thread,
        app.heartbeat,
        app.poller,
        *(getattr(stream, "watch_fd_thread", None) for stream in streams),
        getattr(getattr(app.shell, "history_manager", None), "save_thread", None),
    ]
    return thread in own or type(thread).__name__ == "GarbageCollectorThread"


def _lasting_native_threads():
    """The system shows a thread for a moment longer than whoever waits for its end does."""
    for _ in range(10):
        names = _native_threads()
        if not names:
            break
        time.sleep(0.005)
    return names


def _native_threads():
    """Threads that Python does not know of, by their names, without those of libraries that survive a fork."""
    # Python keeps the main thread's number of before a fork.
    python = {os.getpid(), *(thread.native_id for thread in threading.enumerate())}
    contexts = 2 + any(type(thread).__name__ == "GarbageCollectorThread" for thread in threading.enumerate())
    names = []
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/comm") as file:
                if int(tid) not in python:
                    names.append(file.read().strip())
        except OSError:
            pass  # It has just ended.
    messaging = [name for name in names if name.startswith("ZMQbg/")]
    others = [name for name in names if not name.startswith("ZMQbg/")]
    if len(messaging) > contexts * _THREADS_OF_CONTEXT:
        return messaging
    return others if len(others) > _blas_threads() else []


def _is_kernels(task):
    """Whether a task is one of ipykernel's own."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(f"/{name}/" in code.co_filename for name in ("ipykernel", "tornado", "zmq"))


def _children():
    """Running child processes, each with its name."""
    found = []
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/children") as file:
                pids = file.read().split()
        except OSError:
            continue
        for pid in pids:
            try:
                with open(f"/proc/{pid}/stat", errors="replace") as file:
                    name, _, rest = file.read().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if rest.split()[0] not in "ZX":
                found.append(f"{pid} {name}")
    return found


def _blas_threads():
    """Those of OpenBLAS, which ends them before a fork and starts them again when they are needed."""
    import ctypes

    with open("/proc/self/maps", errors="replace") as file:
        paths = {line.split(maxsplit=5)[5].strip() for line in file if "openblas" in line}
    count = 0
    for path in paths:
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for name in ("openblas_get_num_threads", "openblas_get_num_threads64_"):
            for prefix in ("", "scipy_"):
                function = getattr(library, prefix + name, None)
                if function is not None:
                    count += max(0, function() - 1)
    return count
