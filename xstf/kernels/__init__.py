"""Compiled loops: what the methods spend their time in. Imports numba, so import it at the leaf."""
