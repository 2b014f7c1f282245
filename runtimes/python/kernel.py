"""Starts ipykernel as its own launcher does, with what rich output needs beside it.

Usage: python kernel.py -f CONNECTION_FILE
"""

import importlib.util
import os
import sys


def _load(name):
    """A module of this directory, under a name that is nobody's."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("_" + name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["_" + name] = module
    spec.loader.exec_module(module)
    return module


def main():
    # This directory is no place for modules of the user's; ipykernel puts the working directory in its place.
    del sys.path[0]
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize()
    _load("sanderling_display").install(app.shell)
    app.start()


main()
