"""Tables as plain Parquet files with one JSON document a snapshot."""
