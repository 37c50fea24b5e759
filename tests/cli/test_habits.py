"""What people expect of any command: help with examples that hold, plain text, quiet logs."""

import os
import re
import shlex
import subprocess
import sys

import click
import pytest

import xstf
from tests.cli.runner import invoke
from xstf.cli import EXAMPLES, main

COMMANDS = sorted(main.commands)
CALL = [sys.executable, "-c", "from xstf.cli import main; main()"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_the_command_takes(name):
    result = invoke([name, "--help"])
    assert result.exit_code == 0
    told = result.output.split("Examples:")[1].replace("\\\n", " ")
    examples = [line.strip() for line in told.splitlines() if line.strip()]
    assert any(line.startswith(f"xstf {name}") for line in examples)
    for line in (*examples, *EXAMPLES):
        program, command, *arguments = shlex.split(line)
        assert program == "xstf"
        try:
            main.commands[command].make_context(command, arguments, resilient_parsing=True)
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.message}")


def test_a_wrong_command_or_option_is_named():
    for arguments in (["fues"], ["fuse", "--methd", "add"]):
        result = invoke(arguments)
        assert result.exit_code == 2
        assert re.search(r"Error: No such (command|option).*(fues|methd)", result.stderr)


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_a_terminal_is_sent_no_colours(tiny, tmp_path):
    """Beside text only what rewrites the line of a bar, whatever NO_COLOR says."""
    scene = xstf.save(tiny[0], tmp_path / "scene.zarr")
    arguments = ["fuse", str(scene), "-m", "add", "-o", str(tmp_path / "a.zarr")]
    theirs, ours = os.openpty()
    with subprocess.Popen([*CALL, *arguments], stdout=ours, stderr=ours) as process:
        os.close(ours)
        said = b""
        while True:
            try:
                part = os.read(theirs, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            said += part
    os.close(theirs)
    assert process.returncode == 0
    assert b"add [" in said  # the bar
    assert b"\x1b" not in said


def test_the_log_is_shown_only_where_it_is_asked_for(tiny, tmp_path):
    scene = xstf.save(tiny[0], tmp_path / "scene.zarr")
    arguments = ["fuse", str(scene), "-m", "add", "-o"]
    quiet = invoke([*arguments, str(tmp_path / "a.zarr")])
    assert quiet.exit_code == 0
    assert "xstf.archive" not in quiet.stderr
    loud = invoke(["--debug", *arguments, str(tmp_path / "b.zarr")])
    assert re.search(r"xstf.archive.running: \S*b.zarr: add, 2 of 2 blocks to do", loud.stderr)
    again = invoke([*arguments, str(tmp_path / "c.zarr")])
    assert "xstf.archive" not in again.stderr
