"""The basis for training that the user states for a crawl; it also applies to photos fetched before."""

from catalog import Catalog, Rights, Statement, write_rights
from crawler.frontier.frontier import Frontier
from crawler.listing.source_contract import Source
from crawler.session.records import make_crawl_id

BASIS = "training_basis"
"""The field of a source with the reason why models may be trained on its photos."""


def id_without_basis(source: Source) -> str:
    """Make a crawl id of the source and its settings without the basis, which may be stated later."""
    config = dict(source.config)
    if BASIS in config:
        config[BASIS] = None
    return make_crawl_id(source.name, config)


def record_basis(
    catalog: Catalog, frontier: Frontier, crawl: str, basis: object
) -> Statement | None:
    """Record the basis of a crawl for its photos that were fetched without it or by another crawl.

    Returns None without a basis. No host is contacted, and a repetition writes nothing. Photos whose training a person
    has disallowed do not change.
    """
    if basis is None:
        return None
    predicate = (
        f"crawl_id = '{crawl}' OR photo_id IN "
        f"(SELECT photo_id FROM fetches WHERE crawl_id = '{crawl}' AND outcome <> 'failed')"
    )
    values: dict[str, object] = {}
    if photo_ids := frontier.held_by_others(crawl):
        predicate += " OR photo_id IN (SELECT unnest($listed::VARCHAR[]))"
        values["listed"] = photo_ids
    predicate = f"({predicate}) AND photo_id NOT IN (FROM v_rights SELECT photo_id WHERE NOT training_allowed)"
    rights = Rights(training_allowed=True, training_basis=str(basis))
    statement = write_rights(catalog, predicate, rights, values=values)
    catalog.commit()
    return statement
