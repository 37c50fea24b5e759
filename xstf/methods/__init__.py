"""One file for each method, named like it; those that differ in a few lines share one."""

SHARED = {"unmix": ("ubdf", "stdfa", "strum")}  # file: the methods that it registers
