"""Tests of the simulator run in a process of their own, see test_simulator.py."""

from xstf.device import simulated

collect_ignore = [] if simulated() else ["simulated"]
