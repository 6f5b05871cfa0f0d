from curation.report.pages import ReportPage, bar, count_table, figure, table


def test_text_from_sources_cannot_become_markup() -> None:
    hostile = "<script>alert('x')</script>"
    page = ReportPage(
        hostile, [figure(None, hostile), table([hostile], []), count_table("n", {hostile: 1})]
    )
    assert "<script" not in page.html()


def test_a_bar_stays_inside_its_frame() -> None:
    assert "width:100.0%" in bar([(7.0, "ink")])
    assert "width:0.0%" in bar([(-1.0, "ink")])


def test_a_marked_figure_shows_its_picture() -> None:
    result = figure("data:image/jpeg;base64,AA", "one", is_marked=True)
    assert "class='marked'" in result
    assert "src='data:image/jpeg;base64,AA'" in result
