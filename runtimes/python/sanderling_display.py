"""What rich output needs in an IPython shell. Nothing here loads a library that the user's code does not load: all
of it waits until that has happened. Nothing of it is in the user's namespace."""

import functools
import importlib.abc
import importlib.util
import json
import mimetypes
import os
import sys

TABLE = "application/vnd.sanderling.table+json"
SAVED_FIGURE = "application/vnd.sanderling.saved-figure+json"
INLINE = "module://matplotlib_inline.backend_inline"
# Bounds of a table that is told as data; the rest is counted.
MOST_ROWS = 1000
MOST_CELLS = 50_000
MOST_TEXT = 1000


class _AfterImport(importlib.abc.MetaPathFinder):
    """Calls a function with a module right after that has been imported."""

    def __init__(self, hooks):
        self._hooks = hooks

    def find_spec(self, name, path=None, target=None):
        then = self._hooks.pop(name, None)
        if then is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        execute = spec.loader.exec_module

        def execute_and_tell(module):
            execute(module)
            then(module)

        spec.loader.exec_module = execute_and_tell
        return spec


def install(shell):
    sys.meta_path.insert(
        0,
        _AfterImport(
            {
                "matplotlib": lambda module: _draw_inline(shell, module),
                "matplotlib.figure": lambda module: _tell_saved_figures(shell, module.Figure),
                "plotly.io": _show_plotly_as_data,
            }
        ),
    )
    bundles = shell.display_formatter.mimebundle_formatter
    for module in ("pandas", "pandas.core.frame"):
        bundles.for_type_by_name(module, "DataFrame", _table_bundle)
    for module in ("pandas", "pandas.core.series"):
        bundles.for_type_by_name(module, "Series", _table_bundle)
    shell.events.register("post_execute", lambda: _show_open_figures(shell))


def _draw_inline(shell, matplotlib):
    """Figures are shown when a cell ends or calls show(), unless the user chose another way to draw."""
    if str(dict.__getitem__(matplotlib.rcParams, "backend")).lower() == "agg":
        matplotlib.rcParams["backend"] = INLINE
    from matplotlib_inline.config import InlineBackend

    formats = os.environ.get("SANDERLING_FIGURE_FORMATS", "png").split(",")
    backend = InlineBackend.instance(parent=shell)
    backend.shell = shell
    if backend not in shell.configurables:
        shell.configurables.append(backend)
    backend.figure_formats = {each.strip() for each in formats}
    from IPython.core.pylabtools import select_figure_formats

    select_figure_formats(shell, backend.figure_formats)


def _tell_saved_figures(shell, figure):
    save = figure.savefig

    @functools.wraps(save)
    def savefig(self, fname, *args, **options):
        saved = save(self, fname, *args, **options)
        if isinstance(fname, (str, os.PathLike)):
            path = os.path.abspath(os.fspath(fname))
            kind = mimetypes.guess_type(path)[0] or "image/png"
            shell.display_pub.publish({SAVED_FIGURE: {"path": path, "type": kind}})
        return saved

    figure.savefig = savefig


def _show_open_figures(shell):
    """What the inline backend did not draw, because the code chose Agg itself."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or not hasattr(pyplot, "get_fignums") or _stays_open(pyplot):
        return
    from IPython.display import display

    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        display(figure)
        pyplot.close(figure)


def _stays_open(pyplot):
    """A window of the user's, on a display that is there."""
    return pyplot.get_backend().lower() not in ("agg", "svg", "pdf", "ps", "cairo")


def _show_plotly_as_data(plotly_io):
    from IPython.display import display

    show_plotly_with(plotly_io, lambda data: display(data, raw=True))


def show_plotly_with(plotly_io, tell):
    """Figures are told as data and as a piece of a page, unless the user chose another renderer."""
    show = plotly_io.show
    chosen = plotly_io.renderers.default

    @functools.wraps(show)
    def show_as_data(fig, *args, **options):
        is_chosen = "PLOTLY_RENDERER" in os.environ or plotly_io.renderers.default != chosen
        if is_chosen or args or options or not hasattr(fig, "to_json"):
            return show(fig, *args, **options)
        tell(
            {
                "application/vnd.plotly.v1+json": json.loads(fig.to_json()),
                "text/html": fig.to_html(include_plotlyjs="cdn", full_html=False),
                "text/plain": f"<plotly figure with {len(fig.data)} traces>",
            }
        )

    plotly_io.show = show_as_data


def _table_bundle(value, include=None, exclude=None):
    """Columns with their types, rows up to a bound, and how many there are. A value without a table has none."""
    try:
        return {TABLE: table(value)}
    except Exception:
        # Its text and HTML still show it.
        return {}


def table(value):
    is_series = value.ndim == 1
    frame = value.to_frame(name="" if value.name is None else value.name) if is_series else value
    count = max(1, min(MOST_ROWS, MOST_CELLS // max(1, len(frame.columns))))
    head = frame.iloc[:count]
    split = json.loads(_plain(head).to_json(orient="split", date_format="iso", default_handler=str))
    return {
        "columns": [
            {"name": str(name), "type": str(kind)} for name, kind in zip(frame.columns, frame.dtypes)
        ],
        "index": {"names": [None if name is None else str(name) for name in frame.index.names], "values": split["index"]},
        "rows": [[_short(cell) for cell in row] for row in split["data"]],
        "total_rows": len(frame),
        "is_truncated": len(frame) > count,
    }


def _plain(frame):
    """With labels that are all different: JSON has no other."""
    named = frame.copy(deep=False)
    named.columns = range(len(frame.columns))
    return named


def _short(cell):
    if isinstance(cell, str) and len(cell) > MOST_TEXT:
        return f"{cell[:MOST_TEXT]}[{len(cell) - MOST_TEXT} more characters]"
    return cell
