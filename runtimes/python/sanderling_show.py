"""Tells what a program that runs once shows beside what it prints: figures, tables and other values. Loaded when
there is something to show, or when a library that shows things has been imported."""

import binascii
import json
import os
import sys

SAVED_FIGURE = "application/vnd.sanderling.saved-figure+json"
HERE = os.path.dirname(os.path.abspath(__file__))
MOST_FIGURES = 20
MOST_BYTES = 16 * 1024 * 1024
MOST_TEXT = 1024 * 1024
METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_latex_": "text/latex",
    "_repr_json_": "application/json",
}

_shown = []
_bytes = 0


def add(kind, data):
    """Keeps one value; at the bound what is too much is left out, and says so."""
    global _bytes
    size = sum(len(value) if isinstance(value, str) else len(json.dumps(value)) for value in data.values())
    if _bytes + size > MOST_BYTES:
        data = {"text/plain": f"[left out: {size} bytes, more than all that is shown may have]"}
    else:
        _bytes += size
    _shown.append({"kind": kind, "data": data})


def display(*values, **_options):
    for value in values:
        add("display", bundle(value))


def bundle(value):
    """The forms of a value, as IPython's conventions have them."""
    if _is_figure(value):
        return _draw(value)
    data = {"text/plain": _text(value)}
    if isinstance(value, type):
        return data
    own = getattr(value, "_repr_mimebundle_", None)
    if callable(own):
        found = _try(own)
        if isinstance(found, tuple):
            found = found[0]
        if isinstance(found, dict):
            data.update(found)
    for method, kind in METHODS.items():
        tell = getattr(value, method, None)
        found = _try(tell) if kind not in data and callable(tell) else None
        if isinstance(found, tuple):
            found = found[0]
        if found is not None:
            data[kind] = found
    if type(value).__module__.partition(".")[0] == "pandas" and type(value).__name__ in ("DataFrame", "Series"):
        tables = _load("sanderling_display")
        found = _try(lambda: tables.table(value))
        if found is not None:
            data[tables.TABLE] = found
    return {kind: _plain(kind, found) for kind, found in data.items()}


def after_import(name):
    """Lets a library be imported, and then show what it shows to us."""
    from importlib.util import find_spec

    spec = find_spec(name)
    execute = getattr(spec and spec.loader, "exec_module", None)
    if execute is None:
        return spec

    def execute_and_hook(module):
        execute(module)
        hook(name, module)

    spec.loader.exec_module = execute_and_hook
    return spec


def hook(name, module):
    if name == "matplotlib.pyplot":
        _hook_pyplot(module)
    else:
        _load("sanderling_display").show_plotly_with(module, lambda data: add("display", data))


def finish(value, path):
    """Writes what was shown, with the figures that are still open and the value of the last expression."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        _try(lambda: _show_figures(pyplot))
    if value is not None:
        add("result", bundle(value))
    if _shown:
        # Nothing is there yet; a link that is would lead elsewhere.
        with open(path, "x", encoding="utf-8") as file:
            json.dump(_shown, file, default=str)


def load_tables():
    """What most of what is shown needs."""
    _load("sanderling_display")


def _hook_pyplot(pyplot):
    show = pyplot.show
    figure = sys.modules["matplotlib.figure"].Figure
    save = figure.savefig

    def show_here(*args, **options):
        if pyplot.get_backend().lower() != "agg":
            return show(*args, **options)
        _show_figures(pyplot)

    def savefig(self, fname, *args, **options):
        saved = save(self, fname, *args, **options)
        if isinstance(fname, (str, os.PathLike)):
            import mimetypes

            path = os.path.abspath(os.fspath(fname))
            add("display", {SAVED_FIGURE: {"path": path, "type": mimetypes.guess_type(path)[0] or "image/png"}})
        return saved

    pyplot.show, figure.savefig = show_here, savefig


def _show_figures(pyplot):
    """As a notebook does: each figure once, which is then closed."""
    if pyplot.get_backend().lower() != "agg":
        return
    for number in pyplot.get_fignums()[:MOST_FIGURES]:
        figure = pyplot.figure(number)
        # One without anything in it is what a notebook shows nothing of.
        if figure.axes or figure.texts or figure.images or figure.lines:
            add("display", _draw(figure))
        pyplot.close(figure)


def _is_figure(value):
    figure = sys.modules.get("matplotlib.figure")
    return figure is not None and isinstance(value, figure.Figure)


def _draw(figure):
    import io

    drawn = io.BytesIO()
    figure.canvas.print_figure(drawn, format="png", bbox_inches="tight", dpi=figure.dpi)
    return {"image/png": _base64(drawn.getvalue()), "text/plain": repr(figure)}


def _text(value):
    text = _try(lambda: repr(value))
    if text is None:
        return f"<{type(value).__name__}>"
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}[{len(text) - MOST_TEXT} more characters]"


def _plain(kind, value):
    if isinstance(value, (bytes, bytearray)):
        return _base64(value)
    return value


def _base64(data):
    return binascii.b2a_base64(data, newline=False).decode()


def _try(tell):
    """What a value tells of itself; None when that fails, which is no failure of the program."""
    try:
        return tell()
    except Exception:
        return None


def _load(name):
    """A module of this directory, under a name that is nobody's."""
    known = sys.modules.get("_" + name)
    if known is not None:
        return known
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("_" + name, os.path.join(HERE, name + ".py"))
    module = module_from_spec(spec)
    sys.modules["_" + name] = module
    spec.loader.exec_module(module)
    return module
