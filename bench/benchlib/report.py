# SPDX-License-Identifier: Apache-2.0
"""From samples to tables, goals and JSON.

samples: {measure: [ {target: {figure: value}} per round ]}. A figure's value is the median over the
rounds; its ratio is the median over the rounds of (target / nginx of the same round), so that what
changed between rounds does not enter it.
"""
import statistics

BASE = "nginx"

# What a figure is called where it is less direct's of the same round.
ADDED = {"added_p50_us": "p50_us", "added_p99_us": "p99_us", "added_way_p50_us": "way_p50_us"}


class Goal:
    """A figure of fairlead and what it must keep. binding: --check fails without it."""

    def __init__(self, measure, figure, limit, *, ratio=False, strict=False, binding=True):
        self.measure = measure
        self.figure = figure
        self.limit = limit
        self.ratio = ratio
        self.strict = strict
        self.binding = binding

    def keeps(self, value):
        return value < self.limit if self.strict else value <= self.limit

    def text(self):
        sign = "<" if self.strict else "<="
        return f"{sign} {self.limit:g}{' x nginx' if self.ratio else ''}"


GOALS = (
    Goal("cpu-1k", "cpu_us", 0.80, ratio=True),
    Goal("cpu-16k", "cpu_us", 0.90, ratio=True),
    Goal("cpu-128k", "cpu_us", 1.10, ratio=True, binding=False),
    Goal("sse", "cpu_us", 0.90, ratio=True),
    Goal("sse-translated", "times", 1.5),
    Goal("open", "cpu_us", 0.90, ratio=True, binding=False),
    Goal("open", "added_p50_us", 1.0, ratio=True, binding=False),
    Goal("syscalls", "per_request", 4.5),
    Goal("syscalls", "per_event", 2.6, binding=False),
    Goal("mem-1000", "kib_per_stream", 6),
    Goal("mem-9500", "kib_per_stream", 6),
    Goal("mem-9500", "growth_percent", 2),
    Goal("mem-9500", "lost", 0),
    Goal("mem-9500", "vanish_ms", 500),
    Goal("start", "ready_ms", 20),
    Goal("start", "idle_rss_mib", 10, strict=True),
    Goal("start", "size_mb", 3, strict=True),
)


def add_differences(rounds):
    """Fills in what is direct's difference, and the streams that were not whole."""
    for by_target in rounds:
        direct = by_target.get("direct")
        for figures in by_target.values():
            for added, figure in ADDED.items():
                if direct and figures.get(figure) is not None and direct.get(figure) is not None:
                    figures[added] = figures[figure] - direct[figure]
            if "whole" in figures and "of" in figures:
                figures["lost"] = max(0, figures["of"] - figures["whole"])


def values_of(rounds, target, figure):
    values = [by_target[target].get(figure) for by_target in rounds if target in by_target]
    return [value for value in values if value is not None]


def value_of(rounds, target, figure):
    values = values_of(rounds, target, figure)
    if not values:
        return None
    if isinstance(values[0], str):
        return values[0]
    # One lost stream or one error must not vanish behind a median.
    if figure in ("errors", "lost", "vanish_ms", "growth_percent"):
        return max(values)
    if figure in ("whole", "lowest_ms"):
        return min(values)
    middle = statistics.median(values)
    return int(middle) if figure == "of" else middle


def ratios_of(rounds, target, figure):
    ratios = []
    for by_target in rounds:
        ours = by_target.get(target, {}).get(figure)
        base = by_target.get(BASE, {}).get(figure)
        if ours is not None and base is not None and base > 0:
            ratios.append(ours / base)
    return ratios


def ratio_of(rounds, target, figure):
    ratios = ratios_of(rounds, target, figure)
    return statistics.median(ratios) if ratios else None


def show(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def table(rows):
    """Right-aligned columns under a heading; the first column is left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def measure_table(measure, rounds, targets, with_base):
    heading = ["target"]
    for _, title, ratio in measure.columns:
        heading += [title] + (["x nginx"] if ratio and with_base else [])
    rows = [heading]
    for target in targets:
        row = [target]
        for figure, _, ratio in measure.columns:
            row.append(show(value_of(rounds, target, figure)))
            if ratio and with_base:
                row.append(show(ratio_of(rounds, target, figure)))
        rows.append(row)
    spread = spread_line(measure, rounds, targets)
    return table(rows) + (f"\n{spread}" if spread else "")


def spread_line(measure, rounds, targets):
    """Lowest and highest of the first column: how far the rounds agree."""
    if len(rounds) < 2:
        return ""
    figure, title, _ = measure.columns[0]
    parts = []
    for target in targets:
        values = values_of(rounds, target, figure)
        if values:
            parts.append(f"{target} {show(min(values))}..{show(max(values))}")
    return f"{len(rounds)} rounds, {title}: " + ", ".join(parts)


def judge(samples):
    """[(goal, value or None, kept)] for the goals whose measure ran."""
    verdicts = []
    for goal in GOALS:
        rounds = samples.get(goal.measure)
        if not rounds:
            continue
        pick = ratio_of if goal.ratio else value_of
        value = pick(rounds, "fairlead", goal.figure)
        verdicts.append((goal, value, value is not None and goal.keeps(value)))
    for name, rounds in samples.items():
        errors = value_of(rounds, "fairlead", "errors")
        if errors is not None:
            verdicts.append((Goal(name, "errors", 0), errors, errors == 0))
    return verdicts


def goals_table(verdicts, samples):
    rows = [["fairlead", "value", "of the rounds", "goal", "", ""]]
    for goal, value, kept in verdicts:
        word = "not measured" if value is None else "kept" if kept else "MISSED"
        pick = ratios_of if goal.ratio else values_of
        each = pick(samples[goal.measure], "fairlead", goal.figure)
        spread = f"{show(min(each))}..{show(max(each))}" if len(each) > 1 else ""
        rows.append([f"{goal.measure} {goal.figure}", show(value), spread, goal.text(), word,
                     "" if goal.binding else "(aim)"])
    return table(rows)


def as_json(samples, targets, verdicts):
    measures = {}
    for name, rounds in samples.items():
        figures = sorted({figure for by_target in rounds for f in by_target.values() for figure in f})
        measures[name] = {"rounds": rounds, "summary": {
            target: {figure: {"value": value_of(rounds, target, figure),
                              "vs_nginx": ratio_of(rounds, target, figure)
                              if not isinstance(value_of(rounds, target, figure), str) else None}
                     for figure in figures} for target in targets}}
    goals = [{"measure": goal.measure, "figure": goal.figure, "ratio_to_nginx": goal.ratio,
              "limit": goal.limit, "binding": goal.binding, "value": value, "kept": kept}
             for goal, value, kept in verdicts]
    return {"measures": measures, "goals": goals}
