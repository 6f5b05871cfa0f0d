"""The formats in which the command line writes rows; a module of its own, so that `--help` loads no library."""

TEXT_FORMATS = ("table", "vertical", "markdown", "csv", "json")
BINARY_FORMATS = ("parquet", "arrow")
FORMATS = (*TEXT_FORMATS, *BINARY_FORMATS)
