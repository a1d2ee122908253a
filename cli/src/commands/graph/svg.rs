//! The graph as SVG: a box for each migration, in order, and to the left of the boxes a line from each migration to those that need it.

use std::fmt::Write;

use super::nodes::{COLORS, Graph};
use crate::text;

/// The width of a character of the font, and the height of a box.
const LETTER: usize = 8;
const HEIGHT: usize = 26;
const GAP: usize = 8;
/// The distance of two lines.
const LANE: usize = 14;
const MARGIN: usize = 16;
const LEGEND: usize = 34;

/// The colors of the boxes: the class of a state, and its fill on white and on black.
const FILLS: [(&str, &str, &str); 5] = [
    ("applied", "#c8e6c9", "#1b5e20"),
    ("pending", "#fff9c4", "#665c00"),
    ("changed", "#ffcdd2", "#8e1b1b"),
    ("dirty", "#ef9a9a", "#b71c1c"),
    ("dirty, to go on", "#ffe0b2", "#8a4b00"),
];

/// The colors of the lines, on white and on black.
const LINES: [(&str, &str); 6] = [
    ("#1565c0", "#64b5f6"),
    ("#c62828", "#ef9a9a"),
    ("#2e7d32", "#81c784"),
    ("#6a1b9a", "#ce93d8"),
    ("#ef6c00", "#ffb74d"),
    ("#00838f", "#4dd0e1"),
];

pub(super) fn draw(graph: &Graph) -> String {
    let lanes = lanes(graph);
    let count = lanes.iter().flatten().max().map_or(0, |last| last + 1);
    let left = MARGIN + if count == 0 { 0 } else { (count + 1) * LANE };
    let label = |place: usize| -> usize {
        let node = &graph.nodes[place];
        let state = node.state.map_or(0, |state| state.len() + 3);
        text::width(&node.id) + state
    };
    let widest = (0..graph.nodes.len()).map(label).max().unwrap_or_default();
    let box_width = widest * LETTER + 2 * LETTER;
    let states = graph.states();
    let legend_width = states.iter().map(|state| state.len() * LETTER + 46).sum::<usize>() + 2 * MARGIN;
    let width = (left + box_width + MARGIN).max(legend_width);
    let first = if states.is_empty() { MARGIN } else { MARGIN + LEGEND };
    let top = |place: usize| first + place * (HEIGHT + GAP);
    let height = top(graph.nodes.len()) + GAP;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\">\n<title>{}</title>\n{}",
        text::counted(graph.nodes.len(), "migration"),
        style()
    );
    let _ = writeln!(svg, "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>");
    let mut x = MARGIN;
    for state in states {
        let _ = writeln!(
            svg,
            "<rect class=\"box {}\" x=\"{x}\" y=\"{MARGIN}\" width=\"18\" height=\"14\" rx=\"3\"/><text x=\"{}\" y=\"{}\">{state}</text>",
            class(Some(state)),
            x + 24,
            MARGIN + 12
        );
        x += state.len() * LETTER + 46;
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        for &need in &node.needs {
            let Some(lane) = lanes[need] else { continue };
            // The lane next to the boxes is the first.
            let x = left - (lane + 1) * LANE;
            // A line leaves a box below its middle and reaches one above it.
            let (from, to) = (top(need) + HEIGHT * 2 / 3, top(place) + HEIGHT / 3);
            let end = left - 6;
            let _ = writeln!(
                svg,
                "<g class=\"line l{}\"><title>{} needs {}</title><path d=\"M{left} {from} H{} Q{x} {from} {x} {} V{} Q{x} {to} {} {to} H{end}\"/>\
                 <path class=\"tip\" d=\"M{left} {to} l-7 -4 v8 z\"/></g>",
                lane % LINES.len(),
                escaped(&node.id),
                escaped(&graph.nodes[need].id),
                x + 5,
                from + 5,
                to - 5,
                x + 5,
            );
        }
    }
    for (place, node) in graph.nodes.iter().enumerate() {
        let y = top(place);
        let state = node.state.unwrap_or_default();
        let title =
            if state.is_empty() { escaped(&node.id) } else { format!("{}: {state}", escaped(&node.id)) };
        let _ = write!(
            svg,
            "<g><title>{title}</title><rect class=\"box {}\" x=\"{left}\" y=\"{y}\" width=\"{box_width}\" height=\"{HEIGHT}\" \
             rx=\"4\"/><text x=\"{}\" y=\"{}\">{}",
            class(node.state),
            left + LETTER,
            y + 17,
            escaped(&node.id)
        );
        if !state.is_empty() {
            let _ = write!(svg, "<tspan class=\"state\" dx=\"{LETTER}\">{state}</tspan>");
        }
        svg.push_str("</text></g>\n");
    }
    svg.push_str("</svg>");
    svg
}

/// The lane of the line that leaves each migration, if one needs it. A lane is used again below the last migration that its line reaches.
fn lanes(graph: &Graph) -> Vec<Option<usize>> {
    let mut last: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (need, place) in graph.edges() {
        last[need] = last[need].max(Some(place));
    }
    let mut free_from: Vec<usize> = Vec::new();
    let lane = |(place, last): (usize, Option<usize>)| {
        let last = last?;
        if let Some(lane) = free_from.iter().position(|free| *free <= place) {
            free_from[lane] = last;
            Some(lane)
        } else {
            free_from.push(last);
            Some(free_from.len() - 1)
        }
    };
    last.into_iter().enumerate().map(lane).collect()
}

/// The styles, for a white and for a black page.
fn style() -> String {
    let rules = |fill: fn(&(&str, &'static str, &'static str)) -> &'static str,
                 line: fn(&(&'static str, &'static str)) -> &'static str| {
        let mut rules = String::new();
        for state in &FILLS {
            let _ = write!(rules, " .{} {{ fill: {} }}", class(Some(state.0)), fill(state));
        }
        for (number, color) in LINES.iter().enumerate() {
            let (color, line) = (line(color), format!(".l{number}"));
            let _ = write!(rules, " {line} path {{ stroke: {color} }} {line} .tip {{ fill: {color} }}");
        }
        rules
    };
    let light = rules(|state| state.1, |line| line.0);
    let dark = rules(|state| state.2, |line| line.1);
    format!(
        "<style>\ntext {{ font: 13px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1b1b1b }} .state {{ fill: #555 }}\n\
         .page {{ fill: #fff }} .box {{ fill: #f5f5f5; stroke: #78909c }} .line path {{ fill: none; stroke-width: 1.6 }}\n{light}\n\
         @media (prefers-color-scheme: dark) {{\ntext {{ fill: #eee }} .state {{ fill: #bbb }} .page {{ fill: #121212 }} .box {{ fill: #263238 }}\n\
         {dark}\n}}\n</style>\n"
    )
}

/// The class of a state.
fn class(state: Option<&str>) -> &'static str {
    const CLASSES: [&str; 5] = ["applied", "pending", "changed", "dirty", "resumes"];

    let place = FILLS.iter().position(|(word, _, _)| Some(*word) == state);
    debug_assert!(COLORS.len() == FILLS.len(), "each state has a color in each format");
    place.and_then(|place| CLASSES.get(place)).copied().unwrap_or("other")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
