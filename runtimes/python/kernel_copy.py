"""Forks the kernel that runs here into a copy of itself, with all its variables, when the daemon asks for one.

Descriptor 3 is a socket. A message on it names the copy's connection file and run, and brings descriptors: a pipe
for the answer, the copy's stdout, stderr and own descriptor 3, and perhaps the cgroup files it joins through. The
answer is one line: "joined PID", or "refused JSON" with what stands in the way. The copy waits for "go".

A copy is forked between two cells, from a callback of the main loop, so that nothing of ipykernel is under way.
The shell stays what it is, with its names, history and settings; sockets, threads and loops are made anew beside
the old ones. Those are never closed or freed: their other half lives on in the kernel that was copied.
"""

import asyncio
import atexit
import json
import os
import signal
import sys
import threading
import time
import warnings

CONTROL = 3
# Seconds that ipykernel gets to be through with a request.
_PATIENCE = 5


class _IsCopy(KeyboardInterrupt):
    """Leaves the main loop of the kernel that was copied, in the copy. asyncio lets it through."""


def descriptors():
    """What is open now, each with what it is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass  # That of the directory itself.
    return found


class Copier:
    """Listens for requests, and makes the process that is a copy a kernel of its own."""

    def __init__(self, app, before, prepare_session, obstacles):
        """`before`: what was open before the app made its sockets. `obstacles`: the module kernel_obstacles."""
        self._prepare_session = prepare_session
        self._obstacles = obstacles
        self._before = before
        # Those that the app has made; a copy makes them anew in their place.
        self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}
        # Never freed, as the text above says.
        self._old = []
        self._request = None
        self.is_copy = False
        self._listen(app)

    def _listen(self, app):
        self._app = app
        self._loop = app_loop()
        self._loop.add_reader(CONTROL, self._asked)
        # By then the threads of the app have made what they need.
        self._loop.call_soon(self._note_own)

    def _note_own(self):
        # Files are the history's, or those of the user's start-up code.
        self._own = {
            fd: what
            for fd, what in descriptors().items()
            if self._before.get(fd) != what and fd != CONTROL and what.startswith(("socket:", "pipe:", "anon_inode:"))
        }

    def _asked(self):
        import socket

        try:
            connection = socket.socket(fileno=CONTROL)
            try:
                message, passed, _, _ = socket.recv_fds(connection, 1 << 16, 16, socket.MSG_CMSG_CLOEXEC)
            finally:
                connection.detach()
        except OSError:
            message = b""
        if not message:
            self._loop.remove_reader(CONTROL)
            return
        self._attempt(message.decode().split("\0"), passed, time.monotonic() + _PATIENCE)

    def _attempt(self, request, passed, deadline):
        if self._obstacles.is_busy(self._loop) and time.monotonic() < deadline:
            # ipykernel is about to be through with its last request.
            self._loop.call_later(0.002, self._attempt, request, passed, deadline)
            return
        report = passed[0]
        try:
            obstacle = self._obstacles.find(self._app, self._streams.values(), self._loop)
            if obstacle is None:
                self._fork(request, passed)
            else:
                _answer(report, "refused " + json.dumps(obstacle))
        except Exception as error:
            _answer(report, "refused " + json.dumps({"what": f"{type(error).__name__}: {error}"}))
        finally:
            for fd in passed:
                os.close(fd)

    def _fork(self, request, passed):
        report, stdout, stderr, control, *groups = passed
        for stream in self._streams.values():
            stream.flush()
        with warnings.catch_warnings():
            # The threads that the warning is about are known by now.
            warnings.simplefilter("ignore", DeprecationWarning)
            if not _fork_orphan():
                return
        try:
            os.setsid()
            for group in groups:
                # "0" is the process that writes (cgroups(7)).
                os.write(group, b"0")
            self._replace_descriptors(stdout, stderr, control)
            _name_run(request[1])
            _answer(report, f"joined {os.getpid()}")
            # The daemon says so when the limits of the copy hold.
            if os.read(CONTROL, 16) != b"go":
                os._exit(1)
        except BaseException:
            os._exit(1)
        self._request = request
        raise _IsCopy

    def _replace_descriptors(self, stdout, stderr, control):
        """Lets go of what the other kernel speaks and waits with, and of nothing that the code has opened."""
        app = self._app
        for loop in (
            self._loop,
            *(each.io_loop.asyncio_loop for each in (app.control_thread, app.shell_channel_thread, app.iopub_thread)),
        ):
            _abandon(loop)
        sockets = _sockets_named(app)
        copies = {
            getattr(stream, "_original_stdstream_copy", None): to
            for stream, to in ((self._streams["stdout"], stdout), (self._streams["stderr"], stderr))
        }
        for fd, what in descriptors().items():
            if fd in copies:
                # Whoever reports past ipykernel has this number.
                os.dup2(copies[fd], fd, inheritable=False)
            elif self._own.get(fd) == what or what in sockets:
                os.close(fd)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.dup2(control, CONTROL, inheritable=False)

    def take_over(self):
        """In a copy, when the main loop has been left: gives the shell sockets, threads and a loop of its own."""
        file, _ = self._request
        self._request = None
        self.is_copy = True
        old = self._app
        self._old.append((old, old.kernel, self._loop, old.shell.history_manager.db))
        for act in (old.close, old.cleanup_connection_file, old.iopub_thread.stop):
            atexit.unregister(act)
        chosen = {name: getattr(sys, name) for name in ("stdout", "stderr", "displayhook")}
        for name in chosen:
            setattr(sys, name, getattr(sys, f"__{name}__"))
        # Of the old loop; a signal would be written to whoever has that number next.
        signal.set_wakeup_fd(-1)
        asyncio.set_event_loop(asyncio.new_event_loop())
        self._before = descriptors()
        if sys.argv[1:] == ["-f", old.connection_file]:
            sys.argv[2] = file
        app = _new_app(old, file, self._streams)
        self._prepare_session(app)
        _adopt_shell(old, app)
        _reseed()
        for name in ("stdout", "stderr"):
            # Where the code had put another in the place of ipykernel's, that stays.
            setattr(sys, name, chosen[name])
        self._listen(app)
        return app

    @property
    def was_copied(self):
        return self._request is not None

    def leave(self):
        """Ends a copy in the interpreter's order, but frees nothing: see above."""
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            try:
                stream.flush()
            except Exception:
                pass
        os._exit(0)


def app_loop():
    from tornado.ioloop import IOLoop

    return IOLoop.current().asyncio_loop


def _abandon(loop):
    """Closes a loop without a word to the kernel's list of what it waits for, which is not the copy's alone."""
    for each in (getattr(loop, "_csock", None), getattr(loop, "_ssock", None), getattr(loop._selector, "_selector", None)):
        if each is not None:
            each.close()
    loop._closed = True


def _new_app(old, file, streams):
    from ipykernel.kernelapp import IPKernelApp

    class CopiedApp(IPKernelApp):
        """What the shell has done at its start it does not do again."""

        name = old.name

        def init_io(self):
            # Whoever holds one of the streams, such as a logger, goes on with it.
            for name, stream in streams.items():
                stream.__init__(self.session, self.iopub_thread, name)
                setattr(sys, name, stream)
            from ipykernel.displayhook import ZMQDisplayHook

            self.displayhook = sys.displayhook = ZMQDisplayHook(self.session, self.iopub_socket)

        def init_pdb(self): ...
        def init_path(self): ...
        def init_gui_pylab(self): ...
        def init_extensions(self): ...
        def init_code(self): ...

    type(old).clear_instance()
    type(old.kernel).clear_instance()
    app = CopiedApp.instance(parent_handle=int(os.environ.get("JPY_PARENT_PID") or 0))
    app.initialize(["-f", file])
    return app


def _adopt_shell(old, app):
    """The new kernel has found the shell that there is; the rest of it still knows the old one."""
    shell = app.shell
    shell.kernel = shell.parent = app.kernel
    seen = [old]
    shell.configurables[:] = [
        each for each in shell.configurables if not any(each is one for one in seen) and not seen.append(each)
    ]
    history = shell.history_manager
    if history is not None and history.enabled:
        # A database must not be used through a connection that another process has opened (sqlite.org/howtocorrupt).
        history.init_db()
        history.new_session()


def _reseed():
    """The standard library does so by itself after a fork."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _fork_orphan():
    """True in the copy, when its parent has ended and the daemon has adopted it; False in the kernel."""
    gate, opened = os.pipe()
    between = os.fork()
    if between > 0:
        try:
            os.waitpid(between, 0)
        except ChildProcessError:
            pass  # The code collects children itself.
        os.close(gate)
        os.close(opened)
        return False
    try:
        os.close(opened)
        if os.fork() > 0:
            os._exit(0)
        os.read(gate, 1)
        os.close(gate)
    except BaseException:
        os._exit(1)
    return True


def _answer(report, text):
    try:
        os.write(report, (text + "\n").encode())
    except BrokenPipeError:
        pass  # Nobody waits for it any more.


def _sockets_named(app):
    """The sockets of this kernel that clients speak to, as links of /proc/self/fd."""
    if app.transport != "ipc":
        return set()
    with open("/proc/self/net/unix") as file:
        lines = [line.split() for line in file]
    return {f"socket:[{line[6]}]" for line in lines if len(line) > 7 and line[7].startswith(app.ip + "-")}


def _name_run(run):
    """Also in the environment that the process was started with, by which the daemon knows whose a process is."""
    before = os.environb.get(b"SANDERLING_RUN_ID", b"")
    os.environ["SANDERLING_RUN_ID"] = run
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    # env_start and env_end (proc(5), fields 50 and 51), counted from the third.
    start, end = int(fields[47]), int(fields[48])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        at = memory.read(end - start).find(b"SANDERLING_RUN_ID=" + before)
        if at >= 0 and len(before) == len(run):
            memory.seek(start + at)
            memory.write(b"SANDERLING_RUN_ID=" + run.encode())
