"""Networks: one file for each, named like it; the only place that imports torch."""

NETWORKS = (
    "biastf",
    "cyclegan",
    "dlsdfm",
    "hcnn",
    "msisr",
    "stf3dcnn",
)  # the files that register a method of their name
