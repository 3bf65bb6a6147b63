"""Long texts are read in windows that overlap."""

from parley_sidecar.pii import OVERLAP_CHARACTERS, WINDOW_CHARACTERS, spans


def test_a_long_text_is_read_in_windows() -> None:
    """Values on both sides of a seam, and across it, are found once and where they are."""
    seam = WINDOW_CHARACTERS - OVERLAP_CHARACTERS // 2
    places = [0, 1000, seam - 8, seam + 500, WINDOW_CHARACTERS - 5, 2 * WINDOW_CHARACTERS]
    text = "word " * (2 * WINDOW_CHARACTERS // 5 + 100)
    for place in places:
        text = f"{text[:place]} ann@example.com {text[place + 17 :]}"

    assert [(place + 1, place + 16) for place in places] == [(span.start, span.end) for span in spans(text)]
