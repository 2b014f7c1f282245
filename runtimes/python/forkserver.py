"""Forks Python interpreters before they are needed, from a process that has loaded what programs will import.

Usage: python forkserver.py MAIN MODULE...

Descriptor 3 is a socket on which each message asks for one interpreter and brings its descriptors: a socket for
its job, stdout, stderr, and the cgroup files it joins through. Descriptor 4 is a pipe for reports, a line each:
"ready PATHS" (hexadecimal), "joined ID PID", "refused ID", "exited PID STATUS MAXRSS CPU". When the other side
of the socket is gone nothing more is forked, and this process ends with the last of those that it has forked.

MAIN says by ITS_OWN_MASTER whether what is forked outlives this process: then it is orphaned, for the daemon to
adopt, and this process reports no end of it.

An interpreter waits on descriptor 3 for the one message with its job, which may bring its stdin and what it finds
as descriptor 3 and so on, and becomes what `python MAIN FILE NAME` is: it leaves this file's loop and runs MAIN at
the bottom of its stack, so that the interpreter's own end (atexit, threads, exit codes) follows. Only modules built
into every Python are used here, so that a program finds none loaded that it did not ask for.
"""

import _signal
import _weakref
import atexit
import gc
import os
import sys

_JOBS = 3
_REPORTS = 4


def _report(*words):
    # Short lines are atomic on a pipe, also when several processes write.
    os.write(_REPORTS, (" ".join(map(str, words)) + "\n").encode())


def _receive(connection, size):
    """One message and its descriptors; an empty message when the other side is gone."""
    import _socket

    space = _socket.CMSG_SPACE(16 * 4)
    message, controls, _, _ = connection.recvmsg(size, space, _socket.MSG_CMSG_CLOEXEC)
    fds = [
        int.from_bytes(data[at : at + 4], sys.byteorder)
        for _, _, data in controls
        for at in range(0, len(data) // 4 * 4, 4)
    ]
    return message, fds


def _join(ident, fds):
    """In the child: a session, cgroups and descriptors of its own. Reports when all of it is done."""
    job, stdout, stderr, *groups = fds
    os.setsid()
    try:
        for group in groups:
            # "0" is the process that writes (cgroups(7)).
            os.write(group, b"0")
    except OSError:
        _report("refused", ident)
        os._exit(1)
    _report("joined", ident, os.getpid())
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (stdout, 1), (stderr, 2), (job, _JOBS)):
        os.dup2(source, target)
    os.closerange(_JOBS + 1, os.sysconf("SC_OPEN_MAX"))


def _fork_orphan():
    """Returns 0 in a process whose parent has ended, when that is known to be so; None in this one."""
    gate, opened = os.pipe()
    between = os.fork()
    if between > 0:
        os.waitpid(between, 0)
        os.close(gate)
        os.close(opened)
        return None
    os.close(opened)
    if os.fork() > 0:
        os._exit(0)
    os.read(gate, 1)
    os.close(gate)
    return 0


def _wait_for_job():
    """In the child: the fields of the job, applied; returns what to run."""
    import _socket

    connection = _socket.socket(fileno=_JOBS)
    _runner.rehearse()
    message, fds = _receive(connection, 1 << 20)
    if not message:
        os._exit(0)
    if fds:
        os.dup2(fds[0], 0)
        os.close(fds[0])
    connection.close()
    # Those that the program finds as 3 and so on: none of them has a lower number by now.
    for number, fd in enumerate(fds[1:], _JOBS):
        os.dup2(fd, number)
        os.close(fd)
    path, shown, cwd, limit, program, removed, *variables = message.split(b"\0")
    # Only what differs is told: whatever a wrapper of the interpreter has added stays as it is.
    for name in variables[: int(removed)]:
        os.environb.pop(name, None)
    for variable in variables[int(removed) :]:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value
    try:
        os.chdir(cwd)
    except OSError as error:
        os.write(2, f"cannot enter {os.fsdecode(cwd)}: {error.strerror}\n".encode())
        os._exit(126)
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), int(limit)))
    return os.fsdecode(path), os.fsdecode(shown), os.fsdecode(program)


def _serve(modules):
    """Returns in each child, never here."""
    import _socket
    import select

    for name in modules:
        try:
            __import__(name)
        except Exception:
            # Programs that need it will say so themselves.
            pass
    gc.collect()
    # What is loaded stays out of every later collection, whose marks would copy all shared memory.
    gc.freeze()
    connection = _socket.socket(fileno=_JOBS)
    poller = select.poll()
    poller.register(_JOBS, select.POLLIN)
    children = {}
    is_asked = True
    # Where modules are found, so that the daemon sees when packages have changed since.
    _report("ready", os.pathsep.join(sys.path[1:]).encode(errors="surrogateescape").hex())
    while is_asked or children:
        for fd, _ in poller.poll():
            if fd != _JOBS:
                pid = children.pop(fd)
                poller.unregister(fd)
                os.close(fd)
                _, status, usage = os.wait4(pid, 0)
                _report("exited", pid, status, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)
                continue
            ident, fds = _receive(connection, 64)
            if not ident:
                is_asked = False
                poller.unregister(_JOBS)
                continue
            pid = _fork_orphan() if _runner.ITS_OWN_MASTER else os.fork()
            if pid == 0:
                # Its descriptor belongs to the program from now on.
                connection.detach()
                _join(ident.decode(), fds)
                return
            for passed in fds:
                os.close(passed)
            if pid is None:
                continue
            watched = os.pidfd_open(pid)
            children[watched] = pid
            poller.register(watched, select.POLLIN)
    os._exit(0)


def _load(path):
    """MAIN as a module that has not run anything yet."""
    import builtins

    runner = type(sys)("sanderling_main")
    runner.__file__ = path
    # As in the module that a program is started from; elsewhere it is a dictionary.
    runner.__builtins__ = builtins
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), runner.__dict__)
    return runner


def _reseed():
    """The standard library does so by itself after a fork."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _code_of(error):
    """The exit code of a program that ends with this exception (the interpreter's own rules for SystemExit)."""
    if not isinstance(error, SystemExit):
        # The uncaught exception has been printed by the one who raises it here.
        return 1
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _drop_modules(shared):
    """Ends what the program itself has made, as the interpreter does at its end: `__del__` methods run."""
    # By identity: a module may have got a second name meanwhile.
    own = [name for name, module in sys.modules.items() if id(module) not in shared]
    alive = [_weakref.ref(module) for name in own if isinstance(module := sys.modules.pop(name), type(sys))]
    module = None
    gc.collect()
    for reference in reversed(alive):
        module = reference()
        if module is not None:
            _take_apart(module.__dict__)
    gc.collect()


def _take_apart(names):
    """In the interpreter's order, with None in every place, as destructors may look for at the end."""
    for is_own in (True, False):
        for name in [name for name in names if isinstance(name, str)]:
            if name != "__builtins__" and (not is_own or (name[:1] == "_" and name[1:2] != "_")):
                names[name] = None


def _leave(error, shared):
    """
    Ends the interpreter in its own order (threads, atexit, output, modules) but without taking apart the
    modules that every program of this server shares, which would copy all of their memory: 60 ms for pandas,
    2 ms for a bare interpreter.
    """
    code = _code_of(error) if error is not None else 0
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    _flush()
    _drop_modules(shared)
    if not _flush():
        code = 120
    if isinstance(error, KeyboardInterrupt):
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
        os.kill(os.getpid(), _signal.SIGINT)
    os._exit(code)


def _flush():
    done = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception as error:
            done = False
            sys.unraisablehook(
                type("", (), {"exc_type": type(error), "exc_value": error, "exc_traceback": None,
                              "err_msg": "Exception ignored in", "object": stream})
            )
    return done


_main, *_modules = sys.argv[1:]
_runner = _load(_main)
_runner.prepare(_modules)
_serve(_modules)
_path, _shown, _program = _wait_for_job()
_reseed()
if hasattr(sys, "orig_argv"):
    options = sys.orig_argv[1 : sys.orig_argv.index(__file__)]
    sys.orig_argv[:] = [_program, *options, _main, _path, _shown]
_shared = frozenset(map(id, sys.modules.values()))
try:
    _runner._run(_path, _shown)
except BaseException as error:
    # What the frames of the program hold ends with the program, not with this variable.
    _leave(error.with_traceback(None), _shared)
_leave(None, _shared)
