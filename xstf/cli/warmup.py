"""``xstf warmup``: compile methods before the first block."""

from __future__ import annotations

import click

from xstf.cli import options

EXAMPLES = (
    "xstf warmup",
    "xstf warmup --method fsdaf --method starfm",
    "xstf warmup --scheduler tcp://10.0.0.1:8786",
)


@click.command("warmup", epilog=options.examples(*EXAMPLES))
@click.option("--method", "-m", multiple=True, metavar="NAME", help="Which; default: all.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster: on each of its workers.")
@options.debug
def command(method: tuple[str, ...], scheduler: str | None) -> None:
    """Compile methods, so that the first blocks of a run do not wait for it.

    What is compiled is kept for later processes, beside xstf or in the home folder; where neither
    can be written, set NUMBA_CACHE_DIR to a folder that can.
    """
    import xstf

    methods = list(method) or None
    if scheduler is None:
        click.echo(str(xstf.warm_up(methods=methods)))
        return
    from distributed import Client

    with Client(scheduler) as client:
        click.echo(str(xstf.warm_up(client, methods)))
