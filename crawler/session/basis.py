"""The basis for training that a crawl's order states: also for photos that came in before it was stated."""

from catalog import Catalog, Rights, Statement, write_rights
from crawler.frontier.frontier import Frontier
from crawler.listing.source import Source
from crawler.session.records import make_crawl_id

BASIS = "training_basis"
"""The field of a source that says why models may be trained on its photos."""


def id_without_basis(source: Source) -> str:
    """Name what is crawled: the source and its settings, but not the basis, which may be stated later."""
    config = dict(source.config)
    if BASIS in config:
        config[BASIS] = None
    return make_crawl_id(source.name, config)


def record_basis(
    catalog: Catalog, frontier: Frontier, crawl: str, basis: object
) -> Statement | None:
    """Record the basis of a crawl for its photos that came in without it, or by another crawl; None without a basis.

    Nobody is asked, and a second time nothing is written. What a person said no to stays as it is.
    """
    if basis is None:
        return None
    photos = (
        f"crawl_id = '{crawl}' OR photo_id IN "
        f"(SELECT photo_id FROM fetches WHERE crawl_id = '{crawl}' AND outcome <> 'failed')"
    )
    listed: dict[str, object] = {}
    if held := frontier.held_by_others(crawl):
        photos += " OR photo_id IN (SELECT unnest($listed::VARCHAR[]))"
        listed["listed"] = held
    photos = (
        f"({photos}) AND photo_id NOT IN (FROM v_rights SELECT photo_id WHERE NOT training_allowed)"
    )
    rights = Rights(training_allowed=True, training_basis=str(basis))
    made = write_rights(catalog, photos, rights, values=listed)
    catalog.commit()
    return made
