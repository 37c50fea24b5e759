"""The fusion methods: one file, one method."""
