"""Networks: one file for each, named like it; the only place that imports torch."""

NETWORKS = (
    "biastf",
    "dlsdfm",
    "hcnn",
    "stf3dcnn",
)  # the files that register a method of their name
