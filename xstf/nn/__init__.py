"""Networks: one file for each, named like it; the only place that imports torch."""

NETWORKS = (
    "biastf",
    "cyclegan",
    "dcstfn",
    "dlsdfm",
    "edcstfn",
    "hcnn",
    "msisr",
    "stf3dcnn",
    "stfdcnn",
)  # the files that register a method of their name
