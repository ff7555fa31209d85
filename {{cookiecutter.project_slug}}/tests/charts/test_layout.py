"""Parts that charts share."""

from __future__ import annotations

from ml.charts.layout import NARROW, WIDE, Slot, axis, both, hover, legend

SLOTS = [Slot(i, i + 1, f"2026-01-{i % 28 + 1:02}", f"window {i}") for i in range(300)]


def test_a_telephone_gets_fewer_labels_and_no_titles() -> None:
    wide, narrow = (axis(lay, SLOTS, lay.across(0, 300), 100) for lay in (WIDE, NARROW))
    assert narrow.count("<text") >= 3
    assert wide.count("<text") > 2 * narrow.count("<text")
    assert hover(WIDE, SLOTS, WIDE.across(0, 300), 0, 9).count("<title>") == 300
    assert hover(NARROW, SLOTS, NARROW.across(0, 300), 0, 9) == ""


def test_no_label_is_cut_off_at_the_right() -> None:
    slots = [Slot(0, 1, "a", ""), Slot(1, 2, "a very very very long label of a window", "")]
    assert axis(NARROW, slots, NARROW.across(0, 2), 9).count("<text") <= 1


def test_a_page_shows_one_of_two_sizes() -> None:
    assert both("<a/>", "<b/>") == '<div class="wide"><a/></div><div class="narrow"><b/></div>'


def test_a_legend_escapes_its_words() -> None:
    assert "<li><i/>&lt;b&gt;</li>" in legend([("<i/>", "<b>")])
