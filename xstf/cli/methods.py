"""``xstf methods``: what methods there are, and what their parameters mean."""

from __future__ import annotations

import click

from xstf.cli import options

EXAMPLES = (
    "xstf methods",
    "xstf methods fsdaf",
)


@click.command("methods", epilog=options.examples(*EXAMPLES))
@click.argument("name", required=False)
@options.debug
def command(name: str | None) -> None:
    """List the methods, or the parameters of the method NAME."""
    if name is None:
        _list()
    else:
        _describe(name)


def _list() -> None:
    import xstf

    table = xstf.list_methods()
    names = [str(n) for n in table["name"].values]
    width = max(map(len, ["method", *names]))
    click.echo(f"{'method':{width}}  pairs  what it is")
    for name, pairs, summary in zip(
        names, table["pairs"].values, table["summary"].values, strict=True
    ):
        click.echo(f"{name:{width}}  {pairs:5}  {summary}")
    click.echo("\nParameters of one: xstf methods NAME")


def _describe(name: str) -> None:
    import inspect

    from xstf.method import parameters_of
    from xstf.parameters import rule_of
    from xstf.registry import find

    cls = find(name)
    able = f"{cls.pairs[0]} to {cls.pairs[-1]} pairs" if len(cls.pairs) > 1 else "1 pair"
    able = f"{cls.pairs[0]} pairs" if len(cls.pairs) == 1 and cls.pairs[0] > 1 else able
    click.echo(f"{cls.name}, of {able}; layers: {', '.join(cls.layers)}\n")
    click.echo(inspect.cleandoc(cls.__doc__ or ""))
    for f in parameters_of(cls):
        known = f.metadata
        click.echo(f"\n{f.name}={f.default}")
        click.echo(f"  {known.get('doc', '')}")
        if known:
            unit = f"; {known['unit']}" if known["unit"] else ""
            click.echo(f"  rule: {rule_of(f)}{unit}")
            if known["source"]:
                click.echo(f"  source: {known['source']}")
