/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

pub(super) const TEXT: Rgb = [0x1f, 0x23, 0x28];
pub(super) const MUTED: Rgb = [0x5f, 0x66, 0x70];
pub(super) const AXIS: Rgb = [0x9a, 0xa1, 0xab];
pub(super) const GRID: Rgb = [0xe7, 0xe9, 0xed];
pub(super) const PAPER: Rgb = [0xff, 0xff, 0xff];

/// The colour and marker that stand for one method in every figure and table of a report.
///
/// The six colours stay apart for readers with protanopia, deuteranopia and tritanopia, and reach
/// a contrast of at least 4.5 : 1 on white. Each goes with a marker of its own, so that no figure
/// depends on colour alone.
///
/// ```
/// use strait_report::Colour;
///
/// let methods = ["linear", "learned", "ot"];
/// let colours: Vec<Colour> = (0..methods.len()).map(Colour::of).collect();
/// assert_ne!(colours[0], colours[1]);
/// assert_eq!(Colour::of(6), Colour::of(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(usize);

impl Colour {
    /// Real data, baselines that are no method, and floors.
    pub const NEUTRAL: Self = Self(SERIES.len());

    /// How many methods have one of their own.
    pub const COUNT: usize = SERIES.len();

    /// The colour of the method with this place in the report's list of methods. They repeat after
    /// six.
    #[must_use]
    pub const fn of(index: usize) -> Self {
        Self(index % SERIES.len())
    }

    pub(super) fn rgb(self) -> Rgb {
        SERIES.get(self.0).map_or([0x55, 0x5c, 0x66], |entry| entry.0)
    }

    pub(super) fn marker(self) -> Marker {
        SERIES.get(self.0).map_or(Marker::Circle, |entry| entry.1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Diamond,
    Triangle,
}

const SERIES: [(Rgb, Marker); 6] = [
    ([0xc7, 0x50, 0x00], Marker::Square),
    ([0x1d, 0x4f, 0x8a], Marker::Circle),
    ([0x06, 0x86, 0x6f], Marker::Triangle),
    ([0xc4, 0x2b, 0xb0], Marker::Diamond),
    ([0x5e, 0x4b, 0x1f], Marker::Square),
    ([0x4d, 0x6c, 0xe0], Marker::Circle),
];

/// `#rrggbb`.
pub(super) fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
