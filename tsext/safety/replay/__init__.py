"""What the catalog would hold after the statements of earlier revisions, where there is no catalog to ask."""

from tsext.safety.replay.running import after

__all__ = ["after"]
