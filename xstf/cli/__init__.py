"""The command line: thin commands over the library, and how they fail."""

from __future__ import annotations

import re
import signal
import threading
import warnings
from typing import Any

import click

from xstf import __version__
from xstf.archive.failures import BlocksFailed
from xstf.cli import compare, demo, fit, fuse, info, methods, options, score, warmup

EXAMPLES = (
    "xstf demo",
    "xstf fuse scene.zarr --method fsdaf --out fused.zarr",
    "xstf methods fsdaf",
)
FAILURES = (ValueError, TypeError, OSError, ImportError, BlocksFailed)
_FLAGS = {  # what the library's messages call it: how to say it here
    r"\b(append|overwrite|quality|resume)=True": r"--\1",
    r"^append keeps (.*), and overwrite replaces": r"--append keeps \1, and --overwrite replaces",
    r"--resume, --overwrite": "--resume --overwrite",
    r"\bcheckpoint=(\.\.\.)?": "--checkpoint ",
    r"\binit= goes on": "--init goes on",
    r"xstf\.load reads it": "--weights of xstf fuse reads it",
    r"fitted = xstf\.fit\(scene, '(\w+)'\).*": (
        r"xstf fit -m \1 -o FILE, then xstf fuse --weights FILE"
    ),
    r"\bblocksize=(?=\d)": "--blocksize ",
    r"\bmemory_limit=": "--memory ",
    r"(?<=something: )ds = xstf\.find_observed\(ds\)": "--min-seen 0",
    r"\(xstf\.read_images\(\.\.\., scale_factor=1e-4\), or \w+ \* 1e-4\)": "(--scale-factor 1e-4)",
    r"(?<=order of the files: )dates=\[.*\]": (
        "--fine-dates a,b and --coarse-dates a,b (of info and score, --dates)"
    ),
    r"\bdates=\['([-\d]+)'\]": r"--dates \1",
    r"\bvalid_range=None": "--valid-range none",
    r"\bnodata=(?=-?\d)": "--nodata ",
    r"(?<=not: )ds = xstf\.find_observed\(ds\)": "--min-seen 0",
    r"(?<=observed: )ds = xstf\.find_observed\(ds\)": "--min-seen 0",
    r"xstf\.sensors\.recognise": "xstf info",
    r"scale_factor=\.\.\. where files are read, or xstf\.sensors\.to_reflectance\(.*?\)": (
        "--scale-factor of the files, or --fine-product and --coarse-product"
    ),
    r"read_images\(\.\.\., scale_factor=\.\.\.\) of that side": (
        "--fine-scale-factor or --coarse-scale-factor"
    ),
    r"give scale_factor=1e-4, or scale_factor=1 for": (
        "give --out-scale-factor 1e-4, or --out-scale-factor 1 for"
    ),
    r"give dtype=\"int16\", or leave scale_factor out": (
        "give --dtype int16, or leave --out-scale-factor out"
    ),
    r"xstf\.align\(fine, coarse\) builds the scene \(on the command line: --align\)": "--align",
    r"say it: xstf\.georeference\(.*\)": "write it into the files, as gdal_edit.py -a_srs does",
    r"\.isel\((\w)=slice\(.*?\)\)(, or ds\.stf\.isel)?": (
        r"along \1, as gdal_translate -srcwin does"
    ),
    r"slice\('([-\d]+)', '([-\d]+)'(?:, None)?\)": r"--dates \1/\2",
    r"\bscale=(?=\d)": "--scale ",
    r"\bcell=(?=\d)": "--param cell=",
    r"\bwindow=(?=\d)": "--param window=",
}

_OF_COMPARE = {r"\bcell=(?=\d)": "--cell ", r"\bwindow=(?=\d)": "window="}


class _Commands(click.Group):
    """A group whose commands fail with one line, and warn with one."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what the library raises into ``Error: ...``."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # what clusters send
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = _say
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                if ctx.meta.get("xstf.debug"):
                    raise
                click.echo("Interrupted", err=True)
                ctx.exit(130)
            except FAILURES as error:
                if ctx.meta.get("xstf.debug") or _is_closed_pipe(error):
                    raise
                raise click.ClickException(line_of(error)) from None


def line_of(error: BaseException) -> str:
    """Return what went wrong in one line, in the words of the command line.

    Parameters
    ----------
    error
        What was raised.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.errno and error.strerror:
        text = error.strerror + (f": {error.filename}" if error.filename else "")
    context = click.get_current_context(silent=True)
    compares = context is not None and "compare" in (context.invoked_subcommand, context.info_name)
    flags = _FLAGS | (_OF_COMPARE if compares else {})
    for pattern, flag in flags.items():
        text = re.sub(pattern, flag, text)
    return text


def _is_closed_pipe(error: BaseException) -> bool:
    return isinstance(error, BrokenPipeError)  # click ends quietly then


def _say(message: Any, *_: Any, **__: Any) -> None:
    """Write a warning as one line."""
    click.echo(f"Warning: {line_of(message)}", err=True)


@click.group(
    cls=_Commands,
    epilog=options.examples(*EXAMPLES),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="xstf")
@click.option("--debug", is_flag=True, help="Show where an error comes from, and the log.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Fuse fine and coarse satellite images in space and time."""
    if debug:
        options.listen(ctx)


for _module in (demo, fit, fuse, compare, score, info, methods, warmup):
    main.add_command(_module.command)
