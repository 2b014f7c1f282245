"""Starts ipykernel as its own launcher does, with what rich output needs beside it.

Usage: python kernel.py -f CONNECTION_FILE
"""

import importlib.util
import os
import sys


def _load(name):
    """A module of this directory, under a name that is nobody's."""
    if "_" + name in sys.modules:
        return sys.modules["_" + name]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("_" + name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["_" + name] = module
    spec.loader.exec_module(module)
    return module


def _printable(value):
    """With U+FFFD for halves of characters, which no text on the wire can have."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_printable(name): _printable(each) for name, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, (list, tuple)) else value


def _packing(pack):
    """Where ipykernel would lose a message, and with it the reply that a client waits for."""

    def pack_any_text(value):
        try:
            return pack(value)
        except UnicodeEncodeError:
            return pack(_printable(value))

    return pack_any_text


# What a fork server needs to know: a kernel is no part of it.
ITS_OWN_MASTER = True


def prepare(_modules):
    """Loads what every kernel loads when it starts, and makes nothing: no socket, no thread, no shell."""
    import faulthandler
    import sqlite3

    import IPython.core.completerlib
    import IPython.core.debugger
    import IPython.core.oinspect
    import IPython.extensions.storemagic
    import ipykernel.debugger
    import ipykernel.kernelapp
    import psutil
    import tornado.platform.asyncio

    _load("sanderling_display")
    _load("kernel_copy")
    _load("kernel_obstacles")


def rehearse():
    """Nobody waits for a kernel while it starts."""


def _run(option, connection_file):
    """As `python kernel.py -f CONNECTION_FILE`, in a process that a fork server has prepared."""
    sys.argv[:] = [__file__, option, connection_file]
    _start()


def _start():
    # This directory is no place for modules of the user's; ipykernel puts the working directory in its place.
    del sys.path[0]
    from ipykernel.kernelapp import IPKernelApp

    before = _open_now() if _is_controlled() else None
    # ipykernel has read the variable when it was loaded, which may have been before there was this kernel.
    app = IPKernelApp.instance(parent_handle=int(os.environ.get("JPY_PARENT_PID") or 0))
    app.initialize()
    _prepare_session(app)
    _load("sanderling_display").install(app.shell)
    if before is None:
        app.start()
        return
    copier = _load("kernel_copy").Copier(app, before, _prepare_session, _load("kernel_obstacles"))
    app.start()
    while copier.was_copied:
        copier.take_over().start()
    if copier.is_copy:
        copier.leave()


def _is_controlled():
    """Whether the daemon can ask for copies of this kernel."""
    import socket

    try:
        control = socket.socket(fileno=os.dup(3))
    except OSError:
        return False
    with control:
        os.set_inheritable(3, False)
        return control.family == socket.AF_UNIX and control.type == socket.SOCK_SEQPACKET


def _open_now():
    return _load("kernel_copy").descriptors()


def _prepare_session(app):
    app.session.pack = _packing(app.session.pack)


if __name__ == "__main__":
    _start()
