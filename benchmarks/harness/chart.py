"""The times as bars, in SVG: a panel for each item, each with its own scale."""

from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD, TITLE = 900, 230, 190, 18, 6, 30, 74
INK, FAINT, GRID = "#1b1b1b", "#5c5c5c", "#d9d9d9"
COLOURS = {"peristyle": "#005eb8", "floor": "#768692"}
PEER_COLOUR = "#b8860b"


def colour(name):
    return next((value for key, value in COLOURS.items() if name.startswith(key)), PEER_COLOUR)


def text(x, y, words, size=13, fill=INK, anchor="start", weight="normal"):
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def panel(item, top):
    """The marks of one item and the height they take."""
    contenders = item["contenders"]
    longest = max(one["slowest_s"] for one in contenders)
    scale = (WIDTH - LEFT - RIGHT) / longest
    marks = [text(16, top + 16, f"{item['key']}: {item['says']}", 14, weight="bold")]
    y = top + HEAD
    bottom = y + len(contenders) * (BAR + GAP)
    marks.append(f'<line x1="{LEFT}" y1="{y - 3}" x2="{LEFT}" y2="{bottom}" stroke="{GRID}"/>')
    for one in contenders:
        middle, length = y + BAR / 2, one["seconds"] * scale
        low, high = (LEFT + one[end] * scale for end in ("fastest_s", "slowest_s"))
        marks += [
            text(LEFT - 8, middle + 5, one["name"], anchor="end"),
            f'<rect x="{LEFT}" y="{y}" width="{max(length, 1):.1f}" height="{BAR}" fill="{colour(one["name"])}"/>',
            f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="{INK}" stroke-width="2"/>',
            text(high + 8, middle + 5, f"{one['seconds']:.2f} s, {one['peak_mib']:,.0f} MiB", 12, FAINT),
        ]
        y += BAR + GAP
    return marks, bottom - top + 16


def chart(found):
    marks, y = [], TITLE
    for item in found["items"]:
        more, height = panel(item, y)
        marks += more
        y += height
    subject = f"{found['patients']:,} patients, {found['events_per_patient']} events each, {found['threads']} threads"
    titles = [
        text(
            16,
            26,
            "Seconds (bar: median, line: fastest to slowest) and greatest memory; less is better",
            16,
            weight="bold",
        ),
        text(16, 46, f"{subject}; {found['date']}; each panel has its own scale", 13, FAINT),
        text(16, 63, found["machine"], 13, FAINT),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
            'font-family="system-ui, sans-serif">',
            f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
            *titles,
            *marks,
            "</svg>",
            "",
        ]
    )
