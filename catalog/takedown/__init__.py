"""Take pictures out for good: search, removal, repacking, purge and the proof."""
