"""What all tests of networks share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded():
    """Begin each test with the same weights, whatever ran before."""
    torch.manual_seed(0)
