"""Runs a program file as Python's own ``python file`` does, with two differences: tracebacks name the file by
a short name that is the same every time, and modules are found in the working directory first.

Usage: python main.py FILE SHOWN_NAME
"""

import _thread
import os
import sys


class _Source:
    """Lets linecache and inspect show the program's lines under its short name."""

    def __init__(self, source):
        self._source = source

    def get_source(self, _name=None):
        # Python's own rule for the encoding of a source file (PEP 263).
        import importlib.util

        return importlib.util.decode_source(self._source)


def _report(error, source, shown):
    """Prints an uncaught exception as the interpreter would, without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    error.__traceback__ = trace
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, trace)
        return
    import linecache
    import traceback

    lines = _Source(source).get_source().splitlines(True) if not isinstance(error, UnicodeError) else []
    # No modification time: the entry is never compared with a file of that name.
    linecache.cache[shown] = (len(source), None, lines, shown)
    traceback.print_exception(type(error), error, trace)


def _report_in_thread(args):
    """As the hook built into Python, which would look for the lines of a traceback in a file of that name."""
    if args.exc_type is SystemExit or sys.stderr is None:
        return
    import traceback

    name = _thread.get_ident() if args.thread is None else args.thread.name
    print(f"Exception in thread {name}:", file=sys.stderr, flush=True)
    traceback.print_exception(args.exc_type, args.exc_value, args.exc_traceback)


def _hook_threads():
    # What `threading` takes as its hook when it is imported; site packages may have done so before us.
    _thread._excepthook = _report_in_thread
    if "threading" in sys.modules:
        sys.modules["threading"].excepthook = _report_in_thread


def _run(path, shown):
    with open(path, "rb") as file:
        source = file.read()
    main = type(sys)("__main__")
    main.__file__ = path
    main.__builtins__ = __builtins__
    main.__loader__ = _Source(source)
    sys.modules["__main__"] = main
    sys.argv[:] = [shown]
    sys.path[0] = os.getcwd()
    _hook_threads()
    try:
        exec(compile(source, shown, "exec", dont_inherit=True), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _report(error, source, shown)
        # The interpreter still chooses the exit: code 1, or death by SIGINT after a KeyboardInterrupt.
        sys.excepthook = lambda *_: None
        raise


if __name__ == "__main__":
    _run(*sys.argv[1:3])
