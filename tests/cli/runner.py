"""Commands as tests run them."""

import inspect

from click.testing import CliRunner

from xstf.cli import main

# older versions mix what a command says and what it warns of, unless they are told
APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def invoke(arguments):
    """Run a command in this process; return its result, with stdout and stderr apart."""
    return CliRunner(**APART).invoke(main, [str(a) for a in arguments])
