"""Networks: one file for each, named like it; the only place that imports torch."""

NETWORKS = (
    "biastf",
    "dcstfn",
    "dlsdfm",
    "edcstfn",
    "hcnn",
    "stf3dcnn",
    "stfdcnn",
)  # the files that register a method of their name
