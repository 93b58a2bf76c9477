"""Draws docs/performance.svg from result files of bench.py: CPU time per unit of work beside HAProxy's, median and range.

    python3 bench/chart.py bench/results/*.json > docs/performance.svg

Of several files of one measure the last one named counts. Left out are measures without HAProxy, those in which it failed requests, and those
in which too few of our answers were captured.
"""
import html, json, re, statistics, sys

ROWS = [  # measure, as bench.py names its file, and how people call it
    ("cpu", "1 KB, 64 connections"), ("growth-1-1", "1 KB, 1 connection"), ("growth-1000-1", "1 KB, 1,000 connections"),
    ("growth-64-16", "16 KB, 64 connections"), ("growth-64-64", "64 KB, 64 connections"),
    ("growth-64-256", "256 KB, 64 connections"), ("streams", "500 streams, per event"), ("tls-1", "TLS, 1 KB, kept connections"),
    ("tls-64", "TLS, 64 KB, kept connections"), ("tls-full", "TLS, new handshake"), ("tls-resumed", "TLS, resumed handshake"),
]
PROXIES = [("ours", "TruthTable, captures on", "#2563eb"), ("ours, captures off", "TruthTable, captures off", "#93b4f5"), ("HAProxy", "HAProxy", "#9ca3af"), ("nginx", "nginx", "#d1d5db")]
BAR, GAP, LEFT, SCALE = 13, 14, 190, 330  # SCALE: pixels of 1.0


def measures(paths):
    found = {}
    for path in paths:
        name = re.sub(r".*/\d{8}-\d{6}-|\.json$", "", path)
        with open(path) as file:
            peers = json.load(file)["peers"]
        if any(reading.get("problems") for reading in peers.get("HAProxy", [])):
            continue
        if "HAProxy" in peers and min((r.get("share", 1) for r in peers.get("ours", [])), default=0) >= 0.999:
            found[name] = {peer: [reading["us"] for reading in readings] for peer, readings in peers.items()}
    return found


def draw(found):
    parts, y = [], 56
    for measure, title in ROWS:
        if measure not in found:
            continue
        base = statistics.median(found[measure]["HAProxy"])
        parts.append(f'<text x="{LEFT - 10}" y="{y + 10}" text-anchor="end">{html.escape(title)}</text>')
        for name, label, colour in PROXIES:
            values = found[measure].get(name)
            if not values:
                continue
            low, middle, high = (min(2.2, v / base) * SCALE for v in (min(values), statistics.median(values), max(values)))
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{middle:.0f}" height="{BAR - 2}" fill="{colour}"><title>{html.escape(label)}: {statistics.median(values):.1f} µs</title></rect>'
                         f'<path d="M{LEFT + low:.0f} {y + BAR / 2 - 1}H{LEFT + high:.0f}" stroke="#111" stroke-width="1" opacity=".55"/>'
                         f'<text x="{LEFT + high + 6:.0f}" y="{y + 9}" class="s">{statistics.median(values) / base:.2f} · {statistics.median(values):.1f} µs</text>')
            y += BAR
        y += GAP
    legend, x = [], LEFT
    for _, label, colour in PROXIES:
        legend.append(f'<rect x="{x}" y="26" width="10" height="10" fill="{colour}"/><text x="{x + 15}" y="35" class="s">{html.escape(label)}</text>')
        x += 30 + 6 * len(label)
    width = LEFT + int(2.2 * SCALE) + 90
    line = LEFT + SCALE
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" font-family="system-ui,sans-serif" font-size="12" fill="#111">'
            '<style>.s{font-size:10.5px;fill:#444}</style><rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="{LEFT}" y="16" font-size="13" font-weight="600">CPU time per request, HAProxy = 1 (bars: median, lines: range)</text>{"".join(legend)}'
            f'<path d="M{line} 46V{y - 8}" stroke="#dc2626" stroke-dasharray="3 3"/>{"".join(parts)}</svg>')


print(draw(measures(sys.argv[1:])))
