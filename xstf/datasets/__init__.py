"""The benchmarks of the field, read from the folders in which they are published."""

from xstf.datasets.benchmarks import BENCHMARKS, Benchmark
from xstf.datasets.protocols import PROTOCOLS, Protocol, protocol
from xstf.datasets.reading import read, recognise

__all__ = ["BENCHMARKS", "PROTOCOLS", "Benchmark", "Protocol", "protocol", "read", "recognise"]
