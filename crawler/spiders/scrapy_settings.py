"""Settings of `scrapy list`, `scrapy shell` and `scrapy check` in this repository.

Crawls run through `safelight crawl`: a source's spider needs a session around it, which gives it frontier and settings.
"""

from catalog import __version__

BOT_NAME = "safelight"
SPIDER_MODULES = ["crawler.spiders"]
USER_AGENT = f"safelight/{__version__}"
ROBOTSTXT_OBEY = True
AUTOTHROTTLE_ENABLED = True
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False  # a port that runs Python code
