"""Networks: one file for each, named like it; the only place that imports torch."""

NETWORKS = ("biastf", "dlsdfm", "hcnn")  # the files that register a method of their name
