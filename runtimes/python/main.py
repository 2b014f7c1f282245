"""Runs a program file as Python's own ``python file`` does, with two differences: tracebacks name the file by
a short name that is the same every time, and modules are found in the working directory first.

Usage: python main.py FILE SHOWN_NAME
"""

import _thread
import builtins
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


class _Display:
    """What the program shows beside what it prints. Nothing is loaded for that before there is something to show."""

    _LIBRARIES = ("matplotlib.pyplot", "plotly.io")

    def __init__(self, directory):
        self._path = os.path.join(directory, "shown.json")
        self._pid = os.getpid()
        self._module = None
        self._waiting = set(self._LIBRARIES)
        for name in self._LIBRARIES:
            if name in sys.modules:
                self._waiting.discard(name)
                self._load().hook(name, sys.modules[name])
        sys.meta_path.insert(0, self)

    def find_spec(self, name, _path=None, _target=None):
        """Called for every import: the libraries are hooked when they have been loaded."""
        if name not in self._waiting:
            return None
        self._waiting.discard(name)
        return self._load().after_import(name)

    def display(self, *values, **options):
        """What notebooks have without an import."""
        self._load().display(*values, **options)

    def finish(self, value):
        # A process that the program forked comes here too.
        if os.getpid() != self._pid or (value is None and self._module is None):
            return
        try:
            if self._module is None and type(value).__module__ == "builtins":
                self._finish_text(value)
            else:
                self._load().finish(value, self._path)
        except Exception:
            pass  # The program itself has not failed.

    def _finish_text(self, value):
        """What has no other form is told without loading anything."""
        from _json import encode_basestring_ascii as quote

        text = repr(value)
        if len(text) > _LARGEST_TEXT:
            text = f"{text[:_LARGEST_TEXT]}[{len(text) - _LARGEST_TEXT} more characters]"
        with open(self._path, "x") as file:
            file.write('[{"kind": "result", "data": {"text/plain": ' + quote(text) + "}}]")

    def _load(self):
        self._module = load_show()
        return self._module


def load_show():
    """What shows values; a fork server loads it for those that come after."""
    module = _loaded.get("show")
    if module is None:
        module = type(sys)("_sanderling_show")
        module.__file__ = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sanderling_show.py")
        with open(module.__file__, "rb") as file:
            exec(compile(file.read(), module.__file__, "exec", dont_inherit=True), module.__dict__)
        _loaded["show"] = module
    return module


_loaded = {}

_LARGEST_TEXT = 1024 * 1024

# ast.PyCF_ONLY_AST; that module is not loaded for a number.
_ONLY_TREE = 0x400
# A tree of a larger program takes longer to make than it is worth.
_LARGEST_TREE = 64 * 1024


def _execute(source, shown, scope):
    """Gives the value of the last line if that is an expression, as a notebook shows it."""
    if len(source) > _LARGEST_TREE:
        exec(compile(source, shown, "exec", dont_inherit=True), scope)
        return None
    import _ast

    tree = compile(source, shown, "exec", _ONLY_TREE, dont_inherit=True)
    last = tree.body[-1] if tree.body else None
    imports = [each.module for each in tree.body if isinstance(each, _ast.ImportFrom)]
    if not isinstance(last, _ast.Expr) or "__future__" in imports:
        exec(compile(tree, shown, "exec", dont_inherit=True), scope)
        return None
    tree.body.pop()
    exec(compile(tree, shown, "exec", dont_inherit=True), scope)
    return eval(compile(_ast.Expression(last.value), shown, "eval", dont_inherit=True), scope)


# What a fork server needs to know; it ends with its programs.
ITS_OWN_MASTER = False


def prepare(modules):
    """Makes ready what every program needs, in a process that others are forked from."""
    # The types of syntax trees are made at the first use, which takes half a millisecond.
    _execute(b"None", "", {})
    if modules:
        # Programs that import packages of these show what they make.
        load_show().load_tables()


def rehearse():
    """In what has been forked, before there is a program: writes to the shared memory that each program writes to,
    so that no program waits for the copies (a tenth of what a short one takes)."""
    import gc

    with open(__file__, "rb") as file:
        file.read()
    scope = {}
    _execute(b"def f(a):\n    return [a] * 2\nprint\nx = f('a')", "", scope)
    scope.clear()
    gc.collect()


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
    display = _Display(os.path.dirname(path))
    builtins.display = display.display
    value = None
    try:
        value = _execute(source, shown, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _report(error, source, shown)
        # The interpreter still chooses the exit: code 1, or death by SIGINT after a KeyboardInterrupt.
        sys.excepthook = lambda *_: None
        raise
    finally:
        display.finish(value)


if __name__ == "__main__":
    _run(*sys.argv[1:3])
