"""Where images come from: folders, arrays, lists and research data sets, all as one stream of unread items."""

from pipeline.data.sources.base import SPLITS, Source, SourceItem
from pipeline.data.sources.opening import open_source
from pipeline.data.sources.splits import with_test_split

__all__ = ["SPLITS", "Source", "SourceItem", "open_source", "with_test_split"]
