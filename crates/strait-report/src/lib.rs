//! The report of a run: one page that opens without a network, and each figure as SVG and PNG.
//!
//! A figure begins as a plain record ([`Chart`], [`ScatterGrid`], [`Trajectories`],
//! [`ImageGrid`]), is drawn to a [`Figure`], and is placed with [`Table`]s and text into the
//! [`Section`]s of a [`Page`]. Nothing here knows tensors or runs: the records hold vectors of
//! numbers, and any number may be non-finite. Such values leave a gap and are counted in the
//! caption.
//!
//! A method has one [`Colour`] in the whole report. Text is set in an embedded face (Inter, SIL
//! Open Font License), so a PNG is the same on a machine without fonts.

mod axis;
mod bitmap;
mod chart;
mod colour;
mod error;
mod figure;
mod font;
mod grid;
mod image_grid;
mod number;
mod page;
mod panel;
mod plane;
mod raster;
mod scatter;
mod scene;
mod svg;
mod table;
mod trajectories;

pub use axis::{Axis, Scale};
pub use chart::{Chart, Event, LineStyle, Panel, Reference, Series};
pub use colour::Colour;
pub use error::ReportError;
pub use figure::Figure;
pub use image_grid::{ImageCell, ImageFormat, ImageGrid, ImageRow, Shade};
pub use number::significant;
pub use page::{Content, KeyNumber, Page, Section};
pub use scatter::{ScatterCell, ScatterGrid, ScatterRow, Truth};
pub use table::{Better, Cell, Column, Row, Table};
pub use trajectories::{Trajectories, TrajectoryPanel};
