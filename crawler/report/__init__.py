"""The report of a crawl: one HTML file that says what was wanted, what came in, what did not, and why."""

from crawler.report.page import write_report

__all__ = ["write_report"]
