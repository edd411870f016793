#![doc = include_str!("../README.md")]

mod axis;
mod bitmap;
mod chart;
mod colour;
mod error;
mod figure;
mod font;
mod image_grid;
mod number;
mod page;
mod panel;
mod plane;
mod plot;
mod raster;
mod scatter;
mod scene;
mod slider;
mod small_multiples;
mod svg;
mod table;
mod trajectories;

pub use axis::{Axis, Scale};
pub use chart::Chart;
pub use colour::Colour;
pub use error::ReportError;
pub use figure::Figure;
pub use image_grid::{ImageCell, ImageFormat, ImageGrid, ImageRow, Shade};
pub use number::significant;
pub use page::{Content, KeyNumber, Page, Picture, Section};
pub use plot::{Event, LineStyle, Panel, ReferenceLine, Series};
pub use scatter::{ScatterCell, ScatterGrid, ScatterRow, Truth};
pub use slider::Slider;
pub use table::{Better, Cell, Column, Row, Table};
pub use trajectories::{Trajectories, TrajectoryPanel};
