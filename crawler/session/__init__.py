"""One session of a crawl: workers, commits, progress, metrics."""
