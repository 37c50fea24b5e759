"""CUDA grids around the formulas of `xstf.kernels`, one module for each module there."""
