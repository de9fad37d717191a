"""The test kit: pytest fixtures on real servers (``tsext.testing.plugin``)."""
