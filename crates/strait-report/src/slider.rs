//! Figures of which a page shows one at a time.

use std::fmt::Write as _;

use super::{
    error::ReportError,
    figure::Figure,
    image_grid::{ImageGrid, ImageRow},
    scatter::{ScatterGrid, ScatterRow},
    svg::escape,
};

/// Figures of one thing at different settings, of which the page shows the one that a slider picks: by mouse, finger or arrow
/// keys. All of them are shown on paper, and where scripts do not run.
///
/// ```
/// use strait_report::{Colour, Page, ScatterCell, ScatterGrid, ScatterRow, Section};
///
/// let cell = |x| ScatterCell { points: vec![[x, 0.0], [0.0, 1.0]], note: String::new() };
/// let grid = ScatterGrid {
///     id: "samples".into(),
///     columns: vec!["1 evaluation".into(), "4 evaluations".into()],
///     rows: vec![ScatterRow { label: "linear".into(), colour: Colour::of(0), cells: vec![cell(1.0), cell(2.0)] }],
///     ..ScatterGrid::default()
/// };
/// let slider = grid.slider("One count at a time", "")?;
/// assert_eq!(slider.figures[1].id, "samples-4-evaluations");
/// let sections = vec![Section { heading: "Samples".into(), content: vec![slider.into()] }];
/// assert!(Page { sections, ..Page::default() }.html()?.contains("type=\"range\""));
/// # Ok::<(), strait_report::ReportError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Slider {
    /// The heading; plain text.
    pub title: String,
    /// What the reader should know to read it; plain text, may be empty.
    pub caption: String,
    /// One for each setting, in order; the setting is a figure's title.
    pub figures: Vec<Figure>,
}

impl ScatterGrid {
    /// A figure for each column, with the data beside it where they are given.
    ///
    /// # Errors
    /// As [`ScatterGrid::draw`].
    pub fn slider(&self, title: &str, caption: &str) -> Result<Slider, ReportError> {
        let figure = |(column, label): (usize, &String)| {
            let row = |row: &ScatterRow| ScatterRow {
                label: row.label.clone(),
                colour: row.colour,
                cells: row.cells.get(column).cloned().into_iter().collect(),
            };
            let rows = self.rows.iter().map(row).collect();
            let (title, columns) = (label.clone(), vec![label.clone()]);
            let truth = self.truth.clone();
            Self { id: id_of(&self.id, label), title, caption: String::new(), columns, rows, truth }.draw()
        };
        let figures = self.columns.iter().enumerate().map(figure).collect::<Result<_, _>>()?;
        Ok(Slider { title: title.into(), caption: caption.into(), figures })
    }
}

impl ImageGrid {
    /// A figure for each column but that of the data, which stands beside each.
    ///
    /// # Errors
    /// As [`ImageGrid::draw`].
    pub fn slider(&self, title: &str, caption: &str) -> Result<Slider, ReportError> {
        let settings = self.columns.len().saturating_sub(usize::from(self.last_is_truth));
        let figure = |column: usize| {
            let kept = |place: usize| place == column || place >= settings;
            let row = |row: &ImageRow| ImageRow {
                label: row.label.clone(),
                colour: row.colour,
                cells: row.cells.iter().enumerate().filter(|(place, _)| kept(*place)).map(|(_, c)| c.clone()).collect(),
            };
            let title = self.columns[column].clone();
            let columns = self.columns.iter().enumerate().filter(|(place, _)| kept(*place));
            Self {
                id: id_of(&self.id, &title),
                title,
                caption: String::new(),
                format: self.format,
                columns: columns.map(|(_, label)| label.clone()).collect(),
                last_is_truth: self.last_is_truth,
                rows: self.rows.iter().map(row).collect(),
            }
            .draw()
        };
        let figures = (0..settings).map(figure).collect::<Result<_, _>>()?;
        Ok(Slider { title: title.into(), caption: caption.into(), figures })
    }
}

/// `samples-4-evaluations`: what names the files of a setting's figure.
fn id_of(id: &str, setting: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("{id}-{}", setting.chars().map(plain).collect::<String>())
}

impl Slider {
    pub(super) fn write(&self, html: &mut String) {
        let title = escape(&self.title);
        let _ = writeln!(html, "<div class=\"slider\">\n<h3>{title}</h3>");
        if !self.caption.is_empty() {
            let _ = writeln!(html, "<p class=\"caption\">{}</p>", escape(&self.caption));
        }
        if let [first, .., last] = &self.figures[..] {
            let _ = writeln!(
                html,
                "<p class=\"pick\" hidden=\"hidden\"><span>{}</span><input type=\"range\" min=\"0\" max=\"{}\" value=\"0\" \
                 autocomplete=\"off\" aria-label=\"{title}\"/><span>{}</span></p>",
                escape(&first.title),
                self.figures.len() - 1,
                escape(&last.title),
            );
        }
        for figure in &self.figures {
            figure.write(html, "h4");
        }
        html.push_str("</div>\n");
    }
}
