"""What all tests in the simulator share."""

import warnings

import pytest


@pytest.fixture(autouse=True)
def _quiet():
    """Let numbers divide by zero without a word, as they do on a GPU."""
    warnings.simplefilter("ignore", RuntimeWarning)
