//! The page, and the folder it stands in.

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    error::ReportError,
    figure::{Figure, check_id},
    font,
    slider::Slider,
    svg::escape,
    table::Table,
};

/// A report as one page that opens without a network.
///
/// All text is plain text: it is escaped, and a blank line in a paragraph starts a new one.
///
/// ```
/// use strait_report::{Axis, Chart, Colour, KeyNumber, Page, Panel, Section, Series};
///
/// let chart = Chart {
///     id: "loss".into(),
///     title: "Loss".into(),
///     panels: vec![Panel {
///         x: Axis::linear("gradient step"),
///         y: Axis::log("loss"),
///         series: vec![Series::line("flow matching", Colour::of(1), vec![(0.0, 3.0), (100.0, 0.4)])],
///         ..Panel::default()
///     }],
///     ..Chart::default()
/// };
/// let page = Page {
///     title: "8gaussians-quick".into(),
///     kicker: "Strait · training run".into(),
///     lead: vec!["One Euler step reaches W2 1.14, where the linear path has 4.39.".into()],
///     key_numbers: vec![KeyNumber { label: "W2 at 1".into(), value: "1.14".into(), note: "floor 0.21".into() }],
///     sections: vec![Section { heading: "Training".into(), content: vec![chart.draw()?.into()] }],
///     ..Page::default()
/// };
/// let folder = tempfile::tempdir().unwrap();
/// let index = page.write(&folder.path().join("report"))?;
/// assert!(index.ends_with("report/index.html"));
/// assert!(folder.path().join("report/loss.png").exists());
/// # Ok::<(), strait_report::ReportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The heading, for example the run's name.
    pub title: String,
    /// A few words above it, for example what kind of run this was.
    pub kicker: String,
    /// The verdict: one sentence each.
    pub lead: Vec<String>,
    /// What the reader must know before believing anything; shown above all else.
    pub warnings: Vec<String>,
    /// The few numbers that sum up the run.
    pub key_numbers: Vec<KeyNumber>,
    /// Figures, tables and text in order.
    pub sections: Vec<Section>,
    /// Versions, device, seed, wall time: name and value.
    pub facts: Vec<(String, String)>,
    /// The command that repeats the run; may be empty.
    pub command: String,
    /// The settings in full, as TOML; may be empty.
    pub settings: String,
    /// Seconds after which a browser loads the page anew, while what it tells of goes on.
    pub refresh: Option<u32>,
}

/// A number worth showing large.
#[derive(Clone, Debug, Default)]
pub struct KeyNumber {
    /// What it is.
    pub label: String,
    /// The number as it should be printed.
    pub value: String,
    /// What to compare it with; may be empty.
    pub note: String,
}

/// A part of the page under its own heading.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What stands under it, in order.
    pub content: Vec<Content>,
}

/// A picture that the page carries inside itself.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The heading.
    pub title: String,
    /// What it shows, for readers who cannot see it.
    pub alt: String,
    /// The file's bytes.
    pub png: Vec<u8>,
}

/// A piece of a section.
#[derive(Clone, Debug)]
pub enum Content {
    /// Paragraphs of plain text.
    Text(String),
    /// A figure; its files are written beside the page.
    Figure(Figure),
    /// Figures one at a time; the files of each are written beside the page.
    Slider(Slider),
    /// Pixels that were drawn elsewhere.
    Picture(Picture),
    /// A table.
    Table(Table),
}

impl From<Figure> for Content {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure)
    }
}

impl From<Slider> for Content {
    fn from(slider: Slider) -> Self {
        Self::Slider(slider)
    }
}

impl From<Picture> for Content {
    fn from(picture: Picture) -> Self {
        Self::Picture(picture)
    }
}

impl From<Table> for Content {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

const STYLE: &str = include_str!("page.css");

/// A closed `details` would print as a single line; a slider shows one of its figures.
const SCRIPT: &str = include_str!("page.js");

impl Page {
    /// Writes `index.html` and the figures' files into `folder`, which is made if it is missing.
    /// Every file is written under a temporary name and renamed, the page last: until then a page
    /// that was there before stays as it was, and it carries its figures inside itself.
    ///
    /// # Errors
    /// [`ReportError::File`] when the system refuses, for example on a full disk;
    /// [`ReportError::DuplicateId`] and [`ReportError::Id`] for figures that cannot have files of
    /// their own; [`ReportError::Columns`] for a crooked table.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let mut seen = HashSet::new();
        for figure in self.figures() {
            check_id(&figure.id)?;
            if !seen.insert(&figure.id) {
                return Err(ReportError::DuplicateId { id: figure.id.clone() });
            }
        }
        let html = self.html()?;
        fs::create_dir_all(folder).map_err(|source| ReportError::File { path: folder.into(), source })?;
        for figure in self.figures() {
            replace(&folder.join(format!("{}.svg", figure.id)), figure.svg().as_bytes())?;
            replace(&folder.join(format!("{}.png", figure.id)), &figure.png)?;
        }
        let index = folder.join("index.html");
        replace(&index, html.as_bytes())?;
        Ok(index)
    }

    fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.sections.iter().flat_map(|section| &section.content).flat_map(|content| match content {
            Content::Figure(figure) => std::slice::from_ref(figure),
            Content::Slider(slider) => &slider.figures,
            _ => &[],
        })
    }

    /// The page as HTML that is also well-formed XML.
    ///
    /// # Errors
    /// [`ReportError::Columns`] for a crooked table.
    pub fn html(&self) -> Result<String, ReportError> {
        let title = escape(&self.title);
        let face = |weight, bytes| {
            format!(
                "@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/ttf;base64,{})}}\n",
                STANDARD.encode(bytes)
            )
        };
        let refresh = |seconds: u32| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\"/>\n");
        let refresh = self.refresh.map(refresh).unwrap_or_default();
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n{refresh}\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <title>{title}</title>\n<style>\n{}{}{STYLE}</style>\n\
             <script>{SCRIPT}</script>\n</head>\n<body>\n",
            face(400, font::REGULAR),
            face(600, font::SEMI_BOLD),
        );
        self.write_warnings(&mut html);
        html.push_str("<header>\n");
        if !self.kicker.is_empty() {
            let _ = writeln!(html, "<p class=\"kicker\">{}</p>", escape(&self.kicker));
        }
        let _ = writeln!(html, "<h1>{title}</h1>");
        for line in &self.lead {
            let _ = writeln!(html, "<p class=\"lead\">{}</p>", escape(line));
        }
        html.push_str("</header>\n");
        self.write_key_numbers(&mut html);
        for section in &self.sections {
            let _ = writeln!(html, "<section>\n<h2>{}</h2>", escape(&section.heading));
            for content in &section.content {
                write_content(&mut html, content)?;
            }
            html.push_str("</section>\n");
        }
        self.write_origin(&mut html);
        html.push_str("</body>\n</html>\n");
        Ok(html)
    }

    fn write_warnings(&self, html: &mut String) {
        if self.warnings.is_empty() {
            return;
        }
        let heading = if self.warnings.len() == 1 { "Warning" } else { "Warnings" };
        let _ = write!(html, "<aside class=\"warnings\" role=\"alert\"><p><b>{heading}</b></p><ul>");
        for warning in &self.warnings {
            let _ = write!(html, "<li>{}</li>", escape(warning));
        }
        html.push_str("</ul></aside>\n");
    }

    fn write_key_numbers(&self, html: &mut String) {
        if self.key_numbers.is_empty() {
            return;
        }
        html.push_str("<dl class=\"key\">\n");
        for KeyNumber { label, value, note } in &self.key_numbers {
            let _ = write!(html, "<div><dt>{}</dt><dd>{}", escape(label), escape(value));
            if !note.is_empty() {
                let _ = write!(html, "<small>{}</small>", escape(note));
            }
            html.push_str("</dd></div>\n");
        }
        html.push_str("</dl>\n");
    }

    fn write_origin(&self, html: &mut String) {
        if self.facts.is_empty() && self.command.is_empty() && self.settings.is_empty() {
            return;
        }
        html.push_str("<footer>\n<h2>How this was made</h2>\n");
        if !self.command.is_empty() {
            let _ = writeln!(html, "<pre class=\"command\"><code>{}</code></pre>", escape(&self.command));
        }
        if !self.facts.is_empty() {
            html.push_str("<dl class=\"facts\">\n");
            for (name, value) in &self.facts {
                let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
            }
            html.push_str("</dl>\n");
        }
        if !self.settings.is_empty() {
            let settings = escape(self.settings.trim_end());
            let _ =
                writeln!(html, "<details><summary>All settings</summary><pre><code>{settings}</code></pre></details>");
        }
        html.push_str("</footer>\n");
    }
}

fn write_content(html: &mut String, content: &Content) -> Result<(), ReportError> {
    match content {
        Content::Text(text) => {
            for paragraph in text.split("\n\n").map(str::trim).filter(|p| !p.is_empty()) {
                let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
            }
        }
        Content::Table(table) => html.push_str(&table.html()?),
        Content::Figure(figure) => figure.write(html, "h3"),
        Content::Slider(slider) => slider.write(html),
        Content::Picture(Picture { title, alt, png }) => {
            let (title, alt, bytes) = (escape(title), escape(alt), STANDARD.encode(png));
            let _ = writeln!(
                html,
                "<figure class=\"picture\">\n<h3>{title}</h3>\n<img src=\"data:image/png;base64,{bytes}\" alt=\"{alt}\"/>\n\
                 </figure>"
            );
        }
    }
    Ok(())
}

/// Puts `bytes` in the place of the file at `path`, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let written = strait_io::write_whole(path, |to| fs::write(to, bytes));
    written.map_err(|source| ReportError::File { path: path.into(), source })
}
