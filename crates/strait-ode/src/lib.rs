#![doc = include_str!("../README.md")]

mod adaptive;
mod control;
mod divergence;
mod dormand_prince;
mod error;
mod field_arguments;
mod flow_map;
mod grid;
mod grid_search;
mod guidance;
mod likelihood;
mod method;
mod multistep;
mod runge_kutta;
mod scratch;
mod solve;
mod watched_field;

pub use adaptive::DormandPrince;
pub use control::Control;
pub use divergence::{AutodiffMode, Divergence};
pub use error::OdeError;
pub use field_arguments::{Arguments, FieldWithArguments};
pub use flow_map::FlowMapStepper;
pub use grid::TimeGrid;
pub use grid_search::{FoundGrid, GridSearch};
pub use guidance::Guided;
pub use likelihood::{Densities, FlowDensity};
pub use method::Method;
pub use multistep::AdamsBashforth2;
pub use runge_kutta::RungeKutta;
pub use solve::{Journey, Options, Solution, Solver, solve, solve_with};
