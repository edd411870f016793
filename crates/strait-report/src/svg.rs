//! A scene as SVG text.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    colour::{Marker, PAPER, hex},
    font::{FAMILY, Weight},
    scene::{Anchor, MARGIN, Mark, Point, Scene, Stroke, Type},
};

/// A document of its own, on paper with a margin.
pub(super) fn document(marks: &str, (width, height): (f64, f64), alt: &str) -> String {
    let (wide, tall) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let view = format!("{0} {0} {wide} {tall}", -MARGIN);
    let name = r#"<svg xmlns="http://www.w3.org/2000/svg""#;
    let opened = open(name, &view, (wide, tall), alt);
    let paper = hex(PAPER);
    format!(
        "{opened}<rect x=\"{0}\" y=\"{0}\" width=\"{wide}\" height=\"{tall}\" fill=\"{paper}\"/>{marks}\n</svg>\n",
        -MARGIN
    )
}

/// An element of an HTML page.
pub(super) fn element(marks: &str, (width, height): (f64, f64), alt: &str) -> String {
    let opened = open("<svg", &format!("0 0 {width} {height}"), (width, height), alt);
    format!("{opened}{marks}\n</svg>")
}

fn open(name: &str, view: &str, (width, height): (f64, f64), alt: &str) -> String {
    let alt = escape(alt);
    format!(
        r#"{name} viewBox="{view}" width="{width}" height="{height}" role="img" aria-label="{alt}" font-family="{FAMILY}">"#
    )
}

/// The marks of a scene.
pub(super) fn marks(scene: &Scene) -> Result<String, png::EncodingError> {
    let mut svg = String::new();
    for mark in &scene.marks {
        svg.push('\n');
        write_mark(&mut svg, mark)?;
    }
    Ok(svg)
}

fn write_mark(svg: &mut String, mark: &Mark) -> Result<(), png::EncodingError> {
    match mark {
        Mark::Line { points, stroke } => {
            let _ = write!(svg, r#"<path d="{}" fill="none"{}/>"#, path(points), stroked(*stroke));
        }
        Mark::Area { outline, ink, opacity } => {
            let _ = write!(
                svg,
                r#"<path d="{}Z" fill="{}" fill-opacity="{}"/>"#,
                path(outline),
                hex(*ink),
                number(*opacity),
            );
        }
        Mark::Dot { .. } => write_dot(svg, mark),
        Mark::Text { at, text, set } => write_text(svg, *at, text, *set),
        Mark::Image { at, size, bitmap, crisp } => {
            let [x, y, w, h] = [at.0, at.1, size.0, size.1].map(number);
            let style = if *crisp { r#" style="image-rendering:pixelated""# } else { "" };
            let _ = write!(
                svg,
                r#"<image x="{x}" y="{y}" width="{w}" height="{h}" preserveAspectRatio="none"{style} href="data:image/png;base64,{}"/>"#,
                STANDARD.encode(bitmap.png()?),
            );
        }
    }
    Ok(())
}

fn write_dot(svg: &mut String, mark: &Mark) {
    let Mark::Dot { at, radius, marker, ink, opacity, rim, hint } = mark else {
        return;
    };
    let (name, place) = match marker {
        Marker::Circle => {
            let [x, y, r] = [at.0, at.1, *radius].map(number);
            ("circle", format!(r#"cx="{x}" cy="{y}" r="{r}""#))
        }
        _ => {
            let corners: Vec<Point> = marker.corners(*radius).iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect();
            ("path", format!(r#"d="{}Z""#, path(&corners)))
        }
    };
    let _ = write!(svg, r#"<{name} {place} fill="{}""#, hex(*ink));
    if *opacity < 1.0 {
        let _ = write!(svg, r#" fill-opacity="{}""#, number(*opacity));
    }
    if *rim {
        let _ = write!(svg, r#" stroke="{}" stroke-width="1.5""#, hex(PAPER));
    }
    if hint.is_empty() {
        svg.push_str("/>");
    } else {
        let _ = write!(svg, "><title>{}</title></{name}>", escape(hint));
    }
}

fn write_text(svg: &mut String, at: Point, text: &str, set: Type) {
    let [x, y, size] = [at.0, at.1, set.size].map(number);
    let _ = write!(svg, r#"<text x="{x}" y="{y}" font-size="{size}" fill="{}""#, hex(set.ink));
    if set.weight == Weight::SemiBold {
        svg.push_str(r#" font-weight="600""#);
    }
    match set.anchor {
        Anchor::Start => {}
        Anchor::Middle => svg.push_str(r#" text-anchor="middle""#),
        Anchor::End => svg.push_str(r#" text-anchor="end""#),
    }
    if set.halo {
        let _ =
            write!(svg, r#" paint-order="stroke" stroke="{}" stroke-width="4" stroke-linejoin="round""#, hex(PAPER));
    }
    let _ = write!(svg, ">{}</text>", escape(text));
}

fn stroked(stroke: Stroke) -> String {
    let mut attributes = format!(
        r#" stroke="{}" stroke-width="{}" stroke-linejoin="round" stroke-linecap="round""#,
        hex(stroke.ink),
        number(stroke.width)
    );
    if stroke.opacity < 1.0 {
        let _ = write!(attributes, r#" stroke-opacity="{}""#, number(stroke.opacity));
    }
    if let Some([on, off]) = stroke.dash {
        let _ = write!(attributes, r#" stroke-dasharray="{} {}""#, number(on), number(off));
    }
    attributes
}

fn path(points: &[Point]) -> String {
    let mut path = String::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        let letter = if i == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{} {}", number(x), number(y));
    }
    path
}

/// Two decimals, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Text that is safe in the content and in the quoted attributes of HTML and XML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            // Neither HTML nor XML has a way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
