"""The goals of each workload, what was reached of them, and a drawing of it."""

from collections.abc import Iterator

import attrs
from report import Report

HOLDS = 0.9
"""The part of a goal at which it counts as reached: two runs differ by as much, by the clock."""

BAR, GAP, LEFT, WIDTH = 11, 12, 170, 460


@attrs.frozen
class Goal:
    """What ours must reach, in operations per second of another's: pyignite's, the same of both with partition awareness,
    the Java thin client's, and of the raw replay."""

    title: str
    workload: str
    pyignite: float
    aware: float | None
    java: float
    raw: float


GOALS = (
    Goal("sequential get", "get", 1.6, 2.6, 0.95, 0.88),
    Goal("sequential put", "put", 1.6, 2.6, 0.95, 0.88),
    Goal("64 concurrent get", "get-64", 4, 9, 0.95, 0.9),
    Goal("64 concurrent put", "put-64", 4, 9, 0.95, 0.9),
    Goal("512 concurrent get", "get-512", 4, 16, 0.95, 0.9),
    Goal("update 20,000", "update", 10, None, 1.1, 0.85),
    Goal("get_many 20,000", "get_many", 35, None, 1.1, 0.75),
    Goal("items 20,000", "items", 45, None, 1.0, 0.75),
    Goal("64 concurrent model get", "models-get-64", 13, 28, 0.95, 0.75),
    Goal("64 concurrent model put", "models-put-64", 7, 16, 0.85, 0.85),
    Goal("save_many of models", "models-save_many", 25, None, 0.7, 0.45),
    Goal("get_many of models", "models-get_many", 90, None, 0.75, 0.5),
    Goal("items of models", "models-items", 75, None, 0.7, 0.5),
    Goal("SQL 20,000 rows", "sql", 50, None, 0.95, 0.8),
)


def acceptance(report: Report) -> Iterator[str]:
    """Lines of a table: of each goal the ratio reached, the goal, and the ratio of the client's CPU per operation."""
    columns = (
        ("× pyignite", "ours", "pyignite", "pyignite"),
        ("× Java", "ours", "java", "java"),
        ("× raw", "ours", "raw", "raw"),
        ("PA × pyignite", "ours-aware", "pyignite-aware", "aware"),
        ("PA × Java", "ours-aware", "java-aware", "java"),
        ("PA × raw", "ours-aware", "raw-aware", "raw"),
    )
    yield ""
    yield f"ratio/goal (CPU ratio); ! below {HOLDS:g} of the goal"
    yield f"{'workload':<26}" + "".join(f"{title:>22}" for title, *_ in columns)
    for goal in GOALS:
        cells: list[str] = []
        for _, mine, theirs, field in columns:
            ratio, cpu = (report.ratio(goal.workload, mine, theirs, figure) for figure in ("rate", "cpu_each"))
            wanted: float | None = getattr(goal, field)
            if ratio is None:
                cells.append("-")
                continue
            mark = "!" if wanted is not None and ratio < HOLDS * wanted else ""
            shown = "-" if cpu is None else f"{cpu:.2g}"
            cells.append(f"{mark}{ratio:.3g}{'' if wanted is None else f'/{wanted:g}'} ({shown})")
        yield f"{goal.title:<26}" + "".join(f"{cell:>22}" for cell in cells)


def plot(report: Report) -> str:
    """An SVG: of each workload and peer a bar, as long as its rate is of the raw replay's."""
    peers = [peer for peer in ("raw", "ours", "java", "pyignite") if peer in report.peers]
    colours = {"raw": "#b8b8b8", "ours": "#0a6ebd", "java": "#d98e04", "pyignite": "#8a5a9e"}
    names = {"raw": "raw replay", "ours": "ignitemap", "java": "Java thin client", "pyignite": "pyignite"}
    goals = [goal for goal in GOALS if report.rate(goal.workload, "raw")]
    height = 50 + len(goals) * (len(peers) * BAR + GAP)
    parts: list[str] = []
    for number, peer in enumerate(peers):
        x = LEFT + number * 125
        parts.append(f'<rect x="{x}" y="12" width="11" height="11" fill="{colours[peer]}"/>')
        parts.append(f'<text x="{x + 16}" y="22">{names[peer]}</text>')
    rates = {
        (goal.workload, peer): (report.rate(goal.workload, peer) or 0.0) / (report.rate(goal.workload, "raw") or 1.0)
        for goal in goals
        for peer in peers
    }
    scale = WIDTH / max([1.0, *rates.values()])
    y = 40
    for goal in goals:
        parts.append(f'<text x="{LEFT - 8}" y="{y + len(peers) * BAR / 2 + 4}" text-anchor="end">{goal.title}</text>')
        for peer in peers:
            ratio = rates[goal.workload, peer]
            rate = report.rate(goal.workload, peer)
            width = ratio * scale
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{colours[peer]}"/>')
            if rate is not None:
                parts.append(f'<text x="{LEFT + width + 4:.1f}" y="{y + BAR - 3}" class="n">{rate:,.0f}/s</text>')
            y += BAR
        y += GAP
    style = "text{font:12px sans-serif;fill:#555}.n{font-size:9px}"
    size = f'width="{LEFT + WIDTH + 90}" height="{height}" viewBox="0 0 {LEFT + WIDTH + 90} {height}"'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{style}</style>\n{body}\n</svg>\n'
