"""Networks: one file for each, named like it; the only place that imports torch."""

NETWORKS = ("dlsdfm",)  # the files that register a method of their name
