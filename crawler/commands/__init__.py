"""The command line of the crawler."""
