use std::fmt::Write as _;

use super::{
    error::ReportError,
    raster,
    scene::Scene,
    svg::{self, escape},
};

/// A drawn figure: what stands in the page and what is written beside it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The name of its files, `ID.svg` and `ID.png`.
    pub id: String,
    /// Its heading in the page; plain text.
    pub title: String,
    /// The sentence below it; plain text. It ends with what the drawing had to leave out.
    pub caption: String,
    /// What it shows, for readers who cannot see it.
    pub alt: String,
    /// The drawing as PNG, two pixels to one unit of the SVG.
    pub png: Vec<u8>,
    /// The width of the drawing in SVG units, at which its text has reading size, without the
    /// margin that the files have around it.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// The marks as SVG elements.
    marks: String,
}

/// What a figure says in words.
pub(super) struct Words<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) caption: &'a str,
    /// Sentences on what was left out of the drawing.
    pub(super) left_out: Vec<String>,
    pub(super) alt: String,
}

impl Figure {
    pub(super) fn render(scene: &Scene, words: Words<'_>) -> Result<Self, ReportError> {
        let id = words.id.to_owned();
        let marks = svg::marks(scene).map_err(|source| ReportError::Png { id: id.clone(), source })?;
        let png = raster::png(scene, &id)?;
        let sentences = [words.caption.trim().to_owned()].into_iter().chain(words.left_out);
        let sentences: Vec<String> = sentences.filter(|sentence| !sentence.is_empty()).collect();
        Ok(Self {
            id,
            title: words.title.to_owned(),
            caption: sentences.join(" "),
            alt: words.alt,
            png,
            width: scene.width,
            height: scene.height,
            marks,
        })
    }

    /// The drawing as a standalone SVG document.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::document(&self.marks, (self.width, self.height), &self.alt)
    }

    /// The drawing as an element of an HTML page, which needs neither a margin nor a namespace.
    pub(super) fn element(&self) -> String {
        svg::element(&self.marks, (self.width, self.height), &self.alt)
    }

    /// Writes it into a page, under a heading of this level.
    pub(super) fn write(&self, html: &mut String, heading: &str) {
        let Self { id, width, .. } = self;
        let svg = self.element();
        // On a narrow screen the figure scrolls rather than shrink its text below reading size.
        let least = (width * 0.8).round();
        let _ = write!(
            html,
            "<figure id=\"{id}\">\n<{heading}>{}</{heading}>\n<div class=\"scroll\" tabindex=\"0\">\
             <div style=\"max-width:{width}px;min-width:{least}px\">{svg}</div></div>\n<figcaption>",
            escape(&self.title),
        );
        if !self.caption.is_empty() {
            let _ = write!(html, "{} ", escape(&self.caption));
        }
        let _ = writeln!(
            html,
            "<span class=\"files\"><a href=\"{id}.svg\">SVG</a> <a href=\"{id}.png\">PNG</a></span></figcaption>\n</figure>"
        );
    }
}

/// Refuses an id that cannot name a file on every system.
pub(super) fn check_id(id: &str) -> Result<(), ReportError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    // `index` is the page's own name.
    if id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(plain) && id != "index" {
        Ok(())
    } else {
        Err(ReportError::Id { id: id.into() })
    }
}

/// "3 points are not finite and are left out.", or nothing when there are none.
pub(super) fn left_out(count: usize, thing: &str, why: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {thing} is {why} and is left out.")),
        _ => Some(format!("{count} {thing}s are {why} and are left out.")),
    }
}
