"""What the figures of a report show, and the words beside them."""

import re
from pathlib import Path

import numpy as np
import pytest
from made import REFERENCE_MARK
from report_parts import GROUP, change_results, ends, page_of, sections, small, texts_of

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
from recbole_dtlns.comparison.report.plots.style import look_of
from recbole_dtlns.comparison.report.source import Source, slug
from recbole_dtlns.comparison.run.records import read_comparison


def test_the_best_row_is_the_first_and_is_named_beside_the_plot(tmp_path: Path):
    folder = small(tmp_path / "c")
    (group,) = Source(read_comparison(folder)).groups
    for metric, sign in (("ndcg@20", -1), ("giniindex@20", 1)):
        means = [sign * row.test(metric).mean for row in group.ranked(metric)]
        assert means == sorted(means)
    (picture,) = sections(folder)["summary"].all_pictures
    best = group.ranked("ndcg@20")[0]
    assert f"The highest mean has {best.label} with {best.test('ndcg@20').mean:.4f}." in picture.alt


def test_few_pairs_are_not_drawn_and_other_seeds_are_told(tmp_path: Path):
    folder = small(tmp_path / "c")

    def few(result, name):
        result["precision"][3] = {"low": 0.3, "high": 0.4, "pairs": 19, "valid": 19, "test": 0}
        if name == "seed-2021":
            result["precision"][0]["pairs"] = 500

    change_results(folder, "dtl_ns@rule/*", few)
    (axes,) = drawn(folder, "positives", "precision")
    y = ends(axes)["dtl_ns@rule"][1]
    assert [place for place, value in enumerate(y) if np.isnan(value)] == [3]
    table = next(t for t in sections(folder)["positives"].tables if t.name == f"precision-{GROUP}")
    pairs = [line.values["pairs"] for line in table.lines if line.values["row"] == "dtl_ns@rule"]
    assert pairs == [400, 400, 400, 19, *[400] * 6]  # those of the first seed
    assert "Pairs of the first seed; those of other seeds differ for dtl_ns@rule." in table.note
    assert "fewer than 20 pairs" in table.note

    def none(result, name):
        result["precision"] = [{**entry, "pairs": 19} for entry in result["precision"]]

    change_results(folder, "*@rule/*", none)
    section = sections(folder)["positives"]
    assert section.pictures == []
    assert any(t.name == f"precision-{GROUP}" for t in section.tables)


def test_words_beside_figures_name_the_reasons_of_marks(made: Path):
    pictures = {picture.name: picture for section in sections(made).values() for picture in section.all_pictures}
    for kind in ("accuracy", "precision", "masks"):
        alt = pictures[f"{kind}-{GROUP}"].alt
        assert re.search(rf"Marked: [^.]*dtl_ns@llm[^.]*: {re.escape(REFERENCE_MARK)}\.", alt), kind
    marked = {name: any("(marked)" in text for text in texts_of(picture.draw())) for name, picture in pictures.items()}
    assert {name: "Marked:" in picture.alt for name, picture in pictures.items()} == marked
    assert sum(marked.values()) > 8


def test_words_beside_the_plot_of_accuracy_tell_what_it_has(tmp_path: Path):
    folder = small(tmp_path / "c")
    name = "giniindex@20"
    (table, *_) = sections(folder, metric=name)["accuracy"].tables
    assert f"test_{name}" in {column.key for column in table.columns}
    assert "bootstrap interval" in sections(folder)["summary"].all_pictures[0].alt
    for path in folder.glob("runs/**/per_user.npz"):
        path.unlink()
    parts = sections(folder)
    assert "interval" not in parts["summary"].all_pictures[0].alt + parts["accuracy"].tables[0].note


def test_figures_follow_the_colours_of_the_page_and_have_words(made_report: Path):
    page = page_of(made_report)
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "currentColor" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn.lower())) <= {"#ffffff", "#000000"}
    for path in (made_report / "report").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<title>" in text
        assert "<desc>" in text
        assert "<text" in text  # text stays text
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_rows_look_different_and_the_same_everywhere():
    labels = [str(number) for number in range(60)]
    looks = {(look.colour, look.marker) for look in (look_of(labels, label) for label in labels)}
    assert len(looks) == 60


@pytest.mark.parametrize("many", [9, 4])
def test_every_figure_of_rows_shows_which_are_marked(made: Path, monkeypatch: pytest.MonkeyPatch, many: int):
    from recbole_dtlns.comparison.report.plots import lines

    monkeypatch.setattr(lines, "MANY", many)
    pictures = {
        picture.name.removesuffix(f"-{GROUP}"): picture
        for section in sections(made).values()
        for picture in section.all_pictures
    }
    kinds = ("accuracy", "curve-valid", "curve-loss", "curve-seconds", "hardness-score_gap", "precision", "seconds")
    for kind in kinds:
        assert any(text.endswith("@llm (marked)") for text in texts_of(pictures[kind].draw())), kind


def drawn(folder: Path, key: str, name: str):
    """The axes of a figure, and the means of a test metric or stage by row."""
    (picture,) = [each for each in sections(folder)[key].all_pictures if each.name == f"{name}-{GROUP}"]
    return picture.draw().axes


def test_curves_are_means_over_seeds_of_valid_and_loss(tmp_path: Path):
    folder = small(tmp_path / "c")
    cut = folder / "runs/ml-100k/BPR/dns/seed-2021/epochs.csv"
    cut.write_text("".join(cut.read_text().splitlines(keepends=True)[:8]))  # seven epochs
    logs = [run.epochs() for run in read_comparison(folder).seeds_of("ml-100k", "BPR", "dns")]
    for name, column in (("curve-valid", "ndcg@20"), ("curve-loss", "train_loss")):
        (axes,) = drawn(folder, "curves", name)
        x, y = ends(axes)["dns"]
        assert x == list(range(7))
        assert y == pytest.approx([np.mean([log[epoch][column] for log in logs]) for epoch in range(7)])
        assert len(ends(axes)["mixgcf"][0]) == 12
        assert "EASE" not in ends(axes)
    slow = folder / "runs/ml-100k/BPR/dns/seed-2022/epochs.csv"
    lines = [line.split(",") for line in slow.read_text().splitlines()]
    twice = [[line[0], line[1], str(2 * float(line[2])), *line[3:]] for line in lines[1:]]
    slow.write_text("\n".join(",".join(line) for line in [lines[0], *twice]) + "\n")
    (axes,) = drawn(folder, "curves", "curve-seconds")
    assert ends(axes)["dns"][0] == pytest.approx([1.5 * (epoch + 1) * 4 / 3 for epoch in range(7)])


def test_points_stand_at_test_values_and_training_seconds(made: Path):
    group = Source(read_comparison(made)).groups[0]
    (axes,) = drawn(made, "cost", "seconds")
    for label, (x, y) in ends(axes).items():
        row = group.row(label.removesuffix(" (marked)"))
        assert (x, y) == ([row.seconds("training").mean], [row.test("ndcg@20").mean])
    for name in ("itemcoverage@20", "averagepopularity@20", "giniindex@20"):
        (panel,) = drawn(made, "coverage", f"coverage-{slug(name)}")
        for label, (x, y) in ends(panel).items():
            row = group.row(label.removesuffix(" (marked)"))
            assert (x, y) == ([row.test(name).mean], [row.test("ndcg@20").mean])


def test_the_plot_of_accuracy_has_means_intervals_and_every_seed(made: Path):
    source = Source(read_comparison(made))
    group = source.groups[0]
    intervals = source.intervals(group)
    (axes,) = drawn(made, "summary", "accuracy")
    labels = [label.get_text().removesuffix(" (marked)") for label in axes.get_yticklabels()]
    assert labels == [row.label for row in group.ranked("ndcg@20")]
    for place, label in enumerate(labels):
        row = group.row(label)
        lines = [(line, [float(x) for x in line.get_xdata()]) for line in axes.lines if line.get_ydata()[0] == place]
        assert [x for line, x in lines if line.get_linewidth() == 6] == [list(intervals[label])]
        assert [row.test("ndcg@20").mean] in [x for _, x in lines]
        dots = [list(line.get_xdata()) for line in axes.lines if line.get_ydata()[0] == place + 0.3]
        assert dots == [[run.result["test_result"]["ndcg@20"] for run in row.runs]]


def test_the_plot_of_hardness_has_false_negatives_beside_chance(made: Path):
    (axes,) = drawn(made, "hardness", "hardness-valid_share")
    dotted = [line for line in axes.lines if line.get_linestyle() == ":" and set(line.get_ydata()) == {0.012}]
    shown = {label: y for label, (_, y) in ends(axes).items()}
    assert len(dotted) == len(shown) == 6
    log = read_comparison(made).seeds_of("ml-100k", "BPR", "dns")[0].hardness()
    assert shown["dns"] == pytest.approx([log[epoch]["valid_share"] for epoch in range(12)])


def test_the_plot_of_precision_is_the_share_that_is_held_out(made: Path):
    (axes,) = drawn(made, "positives", "precision")
    x, y = ends(axes)["dtl_ns@rule"]
    assert x == pytest.approx([low / 10 + 0.05 for low in range(10)])
    assert y == pytest.approx([(20 + 9 * low) / 400 for low in range(10)])


def test_the_plot_of_masks_is_filled_where_it_is_honest(made: Path):
    group = Source(read_comparison(made)).groups[0]
    (axes,) = drawn(made, "masks", "masks")
    for place, label in enumerate(label.get_text().removesuffix(" (marked)") for label in axes.get_yticklabels()):
        reference = group.row(label).test("ndcg@20").mean  # made so, and 1.3 times the honest one
        points = [line for line in axes.lines if len(line.get_xdata()) == 1 and line.get_ydata()[0] == place]
        x_by_fill = {line.get_fillstyle(): float(line.get_xdata()[0]) for line in points}
        assert x_by_fill == {"none": pytest.approx(reference), "full": pytest.approx(reference / 1.3)}


def test_the_plot_of_noise_has_the_test_value_of_every_row_at_every_rate(made: Path):
    source = Source(read_comparison(made))
    (axes,) = drawn(made, "noise", "noise")
    lines = ends(axes)
    assert {label.removesuffix(" (marked)") for label in lines} == {row.label for row in source.groups[0].rows}
    for label, (_, y) in lines.items():
        rows = [source.at_noise(source.groups[0], level).row(label.removesuffix(" (marked)")) for level in (0.0, 0.1)]
        assert y == pytest.approx([row.test("ndcg@20").mean for row in rows])


def test_where_there_is_room_for_few_rows_ours_is_among_them(made: Path):
    source = Source(read_comparison(made))
    group = source.groups[0]
    best = [row.label for row in group.ranked("ndcg@20")]
    assert best.index("dtl_ns@rule") > 1
    kept = {row.label for row in source.foremost(group, group.rows, 2)}
    assert kept == {"dtl_ns@rule", best[0]}


def test_the_plot_of_hardness_says_that_it_is_of_one_seed(made: Path):
    section = sections(made)["hardness"]
    assert len(section.pictures) == 4
    assert all("first seed" in picture.title and "first seed" in picture.alt for picture in section.pictures)
    assert "figures show the first seed" in section.text[0]


@pytest.mark.parametrize(("name", "key"), [("epochs.csv", "curves"), ("hardness.csv", "hardness")])
def test_a_damaged_record_by_epoch_costs_one_run_its_curve(tmp_path: Path, name: str, key: str):
    folder = small(tmp_path / "c")
    path = folder / "runs/ml-100k/BPR/dns/seed-2020" / name
    path.write_text(path.read_text()[:-4])
    assert any(f"{path} is damaged" in text for text in sections(folder)[key].warnings)
    row = Source(read_comparison(folder)).groups[0].row("dns")
    assert len(row.logs(name.removesuffix(".csv"))) == 2
