//! Tables of measurements, as HTML.

use std::fmt::Write;

use super::{
    colour::{Colour, hex},
    error::ReportError,
    number,
    svg::escape,
};

/// A table of measurements: a row for each method, and below a line the rows to compare with.
///
/// The best measurement of each judged column is bold, ties at the printed digits included. A
/// column prints all its values with the same decimals, chosen from their spreads.
///
/// ```
/// use strait_report::{Better, Cell, Colour, Column, Row, Table};
///
/// let table = Table {
///     title: "W2 on the test split".into(),
///     note: "Mean and standard deviation over three seeds.".into(),
///     columns: ["1", "2"].map(|nfe| Column { label: nfe.into(), better: Better::Lower }).into(),
///     rows: vec![
///         Row::method("linear", Colour::of(0), vec![Cell::spread(4.39, 0.06), Cell::spread(1.67, 0.04)]),
///         Row::method("learned", Colour::of(1), vec![Cell::spread(1.14, 0.03), Cell::Missing]),
///         Row::reference("sampling floor", vec![Cell::value(0.21), Cell::value(0.21)]),
///     ],
/// };
/// # assert_eq!(table.rows.len(), 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The heading.
    pub title: String,
    /// What the reader should know to read it; may be empty.
    pub note: String,
    /// The columns after the one that holds the rows' labels.
    pub columns: Vec<Column>,
    /// The rows in order.
    pub rows: Vec<Row>,
}

/// A column of a table.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Its heading.
    pub label: String,
    /// Which of its values is the best.
    pub better: Better,
}

/// Which value of a column is the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Better {
    /// The column is not judged.
    #[default]
    Neither,
    /// The lowest value.
    Lower,
    /// The highest value.
    Higher,
}

/// A row of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its heading.
    pub label: String,
    /// A method's colour; none for a row that is only there to compare with.
    pub colour: Option<Colour>,
    /// One cell a column.
    pub cells: Vec<Cell>,
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A measurement.
    Value {
        /// The value.
        value: f64,
        /// Its spread, printed after a plus-minus sign.
        spread: Option<f64>,
        /// The value that perfect samples would reach, printed small below.
        floor: Option<f64>,
    },
    /// Plain text.
    Text(String),
    /// Not measured.
    Missing,
}

impl Cell {
    /// A measurement alone.
    #[must_use]
    pub fn value(value: f64) -> Self {
        Self::Value { value, spread: None, floor: None }
    }

    /// A measurement with its spread.
    #[must_use]
    pub fn spread(value: f64, spread: f64) -> Self {
        Self::Value { value, spread: Some(spread), floor: None }
    }

    /// The same measurement with the value that perfect samples would reach beside it.
    #[must_use]
    pub fn with_floor(self, floor: f64) -> Self {
        match self {
            Self::Value { value, spread, .. } => Self::Value { value, spread, floor: Some(floor) },
            other => other,
        }
    }
}

impl Row {
    /// A method, which takes part in the choice of the best.
    #[must_use]
    pub fn method(label: impl Into<String>, colour: Colour, cells: Vec<Cell>) -> Self {
        Self { label: label.into(), colour: Some(colour), cells }
    }

    /// Something to compare with, which does not.
    #[must_use]
    pub fn reference(label: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { label: label.into(), colour: None, cells }
    }
}

/// How the numbers of one column are printed, and the printed best.
struct Style {
    decimals: Option<usize>,
    best: Option<String>,
}

impl Style {
    fn print(&self, value: f64) -> String {
        match self.decimals {
            _ if value.is_nan() => "not a number".into(),
            _ if value.is_infinite() => if value > 0.0 { "∞" } else { "−∞" }.into(),
            Some(decimals) => number::fixed(value, decimals),
            None => number::significant(value),
        }
    }
}

impl Table {
    pub(super) fn html(&self) -> Result<String, ReportError> {
        for row in &self.rows {
            if row.cells.len() != self.columns.len() {
                return Err(ReportError::Columns {
                    id: self.title.clone(),
                    row: row.label.clone(),
                    found: row.cells.len(),
                    expected: self.columns.len(),
                });
            }
        }
        let mut html = format!(
            "<div class=\"table\"><h3>{}</h3><div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th></th>",
            escape(&self.title)
        );
        for (index, column) in self.columns.iter().enumerate() {
            let mut cells = self.rows.iter().map(|row| &row.cells[index]);
            let measured = cells.any(|cell| matches!(cell, Cell::Value { .. }));
            let class = if measured { "" } else { " class=\"text\"" };
            let _ = write!(html, "<th scope=\"col\"{class}>{}</th>", escape(&column.label));
        }
        html.push_str("</tr></thead><tbody>\n");
        let styles: Vec<Style> = (0..self.columns.len()).map(|index| self.style(index)).collect();
        for (i, row) in self.rows.iter().enumerate() {
            self.write_row(&mut html, i, row, &styles);
        }
        html.push_str("</tbody></table></div>");
        if !self.note.is_empty() {
            let _ = write!(html, "<p class=\"caption\">{}</p>", escape(&self.note));
        }
        html.push_str("</div>\n");
        Ok(html)
    }

    fn write_row(&self, html: &mut String, index: usize, row: &Row, styles: &[Style]) {
        let after_method = index > 0 && self.rows[index - 1].colour.is_some();
        let class = match row.colour {
            None if after_method => " class=\"reference first\"",
            None => " class=\"reference\"",
            Some(_) => "",
        };
        let _ = write!(html, "<tr{class}><th scope=\"row\">");
        if let Some(colour) = row.colour {
            let _ = write!(html, "<i style=\"background:{}\"></i>", hex(colour.rgb()));
        }
        let _ = write!(html, "{}</th>", escape(&row.label));
        for (cell, style) in row.cells.iter().zip(styles) {
            match cell {
                Cell::Missing => html.push_str("<td class=\"none\">–</td>"),
                Cell::Text(text) => {
                    let _ = write!(html, "<td class=\"text\">{}</td>", escape(text));
                }
                Cell::Value { value, spread, floor } => {
                    let printed = style.print(*value);
                    let is_best = row.colour.is_some() && style.best.as_ref() == Some(&printed);
                    let (open, close) = if is_best { ("<b>", "</b>") } else { ("", "") };
                    let _ = write!(html, "<td>{open}{printed}{close}");
                    if let Some(spread) = spread {
                        let _ = write!(html, "<span class=\"spread\"> ± {}</span>", style.print(*spread));
                    }
                    if let Some(floor) = floor {
                        let _ = write!(html, "<span class=\"floor\">floor {}</span>", style.print(*floor));
                    }
                    html.push_str("</td>");
                }
            }
        }
        html.push_str("</tr>\n");
    }

    fn style(&self, column: usize) -> Style {
        let (mut values, mut spreads, mut judged) = (vec![], vec![], vec![]);
        for row in &self.rows {
            if let Cell::Value { value, spread, .. } = row.cells[column] {
                values.push(value);
                spreads.extend(spread);
                if row.colour.is_some() && value.is_finite() {
                    judged.push(value);
                }
            }
        }
        let mut style = Style { decimals: number::decimals(&values, &spreads), best: None };
        let best = match self.columns[column].better {
            Better::Lower => judged.iter().copied().min_by(f64::total_cmp),
            Better::Higher => judged.iter().copied().max_by(f64::total_cmp),
            Better::Neither => None,
        };
        // One method alone is not the best of anything.
        style.best = best.filter(|_| judged.len() > 1).map(|best| style.print(best));
        style
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(better: Better, cells: Vec<Cell>, floor: f64) -> String {
        let rows = cells.into_iter().enumerate().map(|(i, cell)| Row::method("m", Colour::of(i), vec![cell]));
        let rows = rows.chain([Row::reference("floor", vec![Cell::value(floor)])]).collect();
        let columns = vec![Column { label: "c".into(), better }];
        Table { columns, rows, ..Table::default() }.html().unwrap()
    }

    #[test]
    fn the_best_method_is_bold_and_the_floor_never() {
        let cells = [1.136, 0.5204, 0.5199, f64::NAN].map(|v| Cell::spread(v, 0.03));
        let html = column(Better::Lower, cells.to_vec(), 0.21);
        assert_eq!(html.matches("<b>0.52</b>").count(), 2, "a tie at the printed digits: {html}");
        assert_eq!(html.matches("<b>").count(), 2, "{html}");
        assert!(html.contains("1.14<span class=\"spread\"> ± 0.03"), "{html}");
        assert!(html.contains("not a number"), "{html}");
        let html = column(Better::Higher, vec![Cell::value(0.91), Cell::value(0.95)], 0.99);
        assert!(html.contains("<b>0.950</b>") && html.matches("<b>").count() == 1, "{html}");
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let table = Table {
            title: "t".into(),
            columns: vec![Column::default(); 2],
            rows: vec![Row::reference("r", vec![Cell::Missing])],
            ..Table::default()
        };
        assert!(matches!(table.html(), Err(ReportError::Columns { found: 1, expected: 2, .. })));
    }
}
