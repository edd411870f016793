//! Small multiples: rows are methods, columns are settings, and the last column may be the truth.

use super::{
    colour::{Colour, MUTED, Rgb, TEXT},
    error::ReportError,
    panel::Frame,
    scene::{Scene, Type},
};

/// The heading of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowHead<'a> {
    pub(super) label: &'a str,
    pub(super) colour: Colour,
}

/// Where the cells of a grid stand.
#[derive(Clone, Debug)]
pub(super) struct Grid<'a> {
    pub(super) width: f64,
    pub(super) height: f64,
    rows: Vec<RowHead<'a>>,
    columns: Vec<&'a str>,
    /// The last column is the truth and stands apart.
    truth: bool,
    side: f64,
    aspect: f64,
    left: f64,
    /// A line of text above every cell.
    notes: bool,
}

const FULL_WIDTH: f64 = 960.0;
const GAP: f64 = 14.0;
const APART: f64 = 26.0;
const HEAD: f64 = 24.0;
const NOTE: f64 = 17.0;
const LABEL_WIDTH: f64 = 92.0;

impl<'a> Grid<'a> {
    /// Lays out cells at most `largest` wide, and `aspect` times as high as wide; `gutter` and `foot` are kept free left
    /// of and below them for ticks.
    pub(super) fn new(
        rows: Vec<RowHead<'a>>,
        columns: Vec<&'a str>,
        truth: bool,
        notes: bool,
        (gutter, foot): (f64, f64),
        (largest, aspect): (f64, f64),
    ) -> Self {
        let set = label_type(Colour::NEUTRAL);
        let lines = rows.iter().flat_map(|row| wrapped(row.label, set));
        let label = lines.map(|line| set.width(&line)).fold(0.0, f64::max);
        let left = (label + 12.0 + gutter).ceil();
        let apart = if truth { APART - GAP } else { 0.0 };
        let count = columns.len() as f64;
        let room = FULL_WIDTH - left - apart - GAP * (count - 1.0) - 1.0;
        let side = (room / count).floor().min(largest);
        let note = if notes { NOTE } else { 0.0 };
        let width = left + count * side + (count - 1.0) * GAP + apart + 1.0;
        let tall = rows.len() as f64;
        let height = HEAD + tall * (side * aspect + note) + (tall - 1.0) * GAP + foot.max(1.0);
        Self { width, height, rows, columns, truth, side, aspect, left, notes }
    }

    pub(super) fn side(&self) -> f64 {
        self.side
    }

    pub(super) fn cell(&self, row: usize, column: usize) -> Frame {
        let note = if self.notes { NOTE } else { 0.0 };
        let apart = if self.is_truth(column) { APART - GAP } else { 0.0 };
        Frame {
            x: self.left + column as f64 * (self.side + GAP) + apart,
            y: HEAD + note + row as f64 * (self.side * self.aspect + note + GAP),
            w: self.side,
            h: self.side * self.aspect,
        }
    }

    fn is_truth(&self, column: usize) -> bool {
        self.truth && column + 1 == self.columns.len()
    }

    /// The side at which no head of a column is cut, and none of some notes.
    pub(super) fn unbroken<'n>(&self, notes: impl Iterator<Item = &'n str>) -> f64 {
        let heads = self.columns.iter().map(|head| head_type(MUTED).width(head));
        heads.chain(notes.map(|note| note_type().width(note))).fold(0.0, f64::max) + 6.0 - GAP
    }

    pub(super) fn draw_heads(&self, scene: &mut Scene) {
        for (column, label) in self.columns.iter().enumerate() {
            let cell = self.cell(0, column);
            let set = head_type(if self.is_truth(column) { TEXT } else { MUTED });
            let label = set.fitted(label, cell.w + GAP - 6.0);
            scene.text((cell.x + cell.w / 2.0, 13.0), label, set.middle());
        }
        for (row, head) in self.rows.iter().enumerate() {
            let cell = self.cell(row, 0);
            let set = label_type(head.colour);
            let lines = wrapped(head.label, set);
            let first = cell.y + cell.h / 2.0 + 4.5 - 8.5 * (lines.len() - 1) as f64;
            for (i, line) in lines.into_iter().enumerate() {
                scene.text((0.0, first + 17.0 * i as f64), line, set);
            }
        }
    }

    pub(super) fn draw_note(&self, scene: &mut Scene, row: usize, column: usize, note: &str) {
        let cell = self.cell(row, column);
        let set = note_type().middle();
        let note = set.fitted(note, cell.w + GAP - 6.0);
        scene.text((cell.x + cell.w / 2.0, cell.y - 6.0), note, set);
    }
}

/// Refuses a grid without cells, or with a row of another length than the columns.
pub(super) fn check_shape<'a>(
    id: &str,
    columns: usize,
    rows: impl Iterator<Item = (&'a str, usize)>,
) -> Result<(), ReportError> {
    let empty = |what| Err(ReportError::Empty { id: id.into(), what });
    if columns == 0 {
        return empty("columns");
    }
    let mut any = false;
    for (row, found) in rows {
        any = true;
        if found != columns {
            let (id, row) = (id.into(), row.into());
            return Err(ReportError::Columns { id, row, found, expected: columns });
        }
    }
    if any { Ok(()) } else { empty("rows") }
}

fn head_type(ink: Rgb) -> Type {
    Type::new(12.5, ink)
}

fn note_type() -> Type {
    Type::new(11.5, MUTED)
}

fn label_type(colour: Colour) -> Type {
    Type::new(13.0, colour.rgb()).strong()
}

/// Breaks a label at its spaces into lines of the margin's width.
fn wrapped(label: &str, set: Type) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in label.split_whitespace() {
        match lines.last_mut() {
            Some(line) if set.width(&format!("{line} {word}")) <= LABEL_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(set.fitted(word, LABEL_WIDTH)),
        }
    }
    if lines.is_empty() { vec![String::new()] } else { lines }
}
