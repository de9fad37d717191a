"""Everything a user may set, with its default, and where the value comes from."""

from tsext.settings.chosen import Settings, documented
from tsext.settings.sources import ENVIRONMENTS
from tsext.settings.urls import normalise_url
from tsext.settings.values import Size

__all__ = ["ENVIRONMENTS", "Settings", "Size", "documented", "normalise_url"]
