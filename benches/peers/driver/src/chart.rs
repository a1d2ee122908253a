//! The chart: for each task, the time as a multiple of the time by hand, on a logarithmic scale.

use std::fmt::Write;

use super::{ENTRIES, Medians, WORKS, ratio, time};

/// The number of migrations in the chart: the middle one of the counts.
const COUNT: usize = 100;
const NAME: f64 = 356.0;
const BAR: f64 = 380.0;
const LABEL: f64 = 160.0;
const LINE: f64 = 24.0;

const STYLE: &str = "<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.faint { fill: #57606a; font-size: 12px; stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
.card { fill: #ffffff; stroke: #d0d7de }
.grid { stroke: #d0d7de }
.bar { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.faint { fill: #9198a1; stroke: #0d1117 }
.card { fill: #0d1117; stroke: #3d444d }
.grid { stroke: #3d444d }
.bar { fill: #6e7681 }
.ours { fill: #4493f8 }
}
</style>
";

pub fn draw(names: &[String], medians: &Medians) -> String {
    let value = |work, place| {
        medians.get(&(work, COUNT, place)).map(|this| (*this, this / medians[&(work, COUNT, 0)]))
    };
    let largest = medians.iter().filter(|((_, count, _), _)| *count == COUNT);
    let largest = largest.map(|((work, _, place), _)| value(work, *place).unwrap().1).fold(10.0, f64::max);
    // The scale goes from a tenth to the power of ten above all values.
    let decades = largest.log10().ceil() + 1.0;
    let x = |ratio: f64| NAME + (ratio.log10() + 1.0).max(0.0) / decades * BAR;

    let (mut body, mut y) = (String::new(), 30.0);
    writeln!(body, r#"<text class="title" x="16" y="{y}">{COUNT} migrations: time divided by the time by hand (logarithmic; shorter is better)</text>"#).unwrap();
    for (work, what) in WORKS {
        y += 34.0;
        writeln!(body, r#"<text x="16" y="{y}" font-weight="600">{what}</text>"#).unwrap();
        y += 10.0;
        let bars = (0..names.len()).filter(|&place| place > 0 && value(work, place).is_some());
        let bottom = y + LINE * bars.clone().count() as f64;
        for power in 0..=decades as i32 {
            let at = 10f64.powi(power - 1);
            writeln!(body, r#"<line class="grid" x1="{0:.1}" x2="{0:.1}" y1="{y}" y2="{bottom}"/>"#, x(at))
                .unwrap();
            writeln!(
                body,
                r#"<text class="faint" x="{:.1}" y="{}" text-anchor="middle">{at}×</text>"#,
                x(at),
                bottom + 14.0
            )
            .unwrap();
        }
        for place in bars {
            let (this, times) = value(work, place).unwrap();
            let class = if ENTRIES[place].program.starts_with("ours") { "ours" } else { "bar" };
            let (left, right) = (x(times.min(1.0)), x(times.max(1.0)));
            writeln!(
                body,
                r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#,
                NAME - 10.0,
                y + 16.0,
                names[place]
            )
            .unwrap();
            writeln!(
                body,
                r#"<rect class="{class}" x="{left:.1}" y="{}" width="{:.1}" height="16" rx="2"/>"#,
                y + 4.0,
                (right - left).max(1.0)
            )
            .unwrap();
            writeln!(
                body,
                r#"<text class="faint" x="{:.1}" y="{}">{}×, {}</text>"#,
                right + 6.0,
                y + 16.0,
                ratio(times),
                time(this)
            )
            .unwrap();
            y += LINE;
        }
        y += 14.0;
    }
    let (width, height) = (NAME + BAR + LABEL, y + 16.0);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="How many times as long as by hand each takes">
{STYLE}<rect class="card" x="0.5" y="0.5" width="{}" height="{}" rx="8"/>
{body}</svg>
"#,
        width - 1.0,
        height - 1.0
    )
}
