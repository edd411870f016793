#![doc = include_str!("../README.md")]

mod adaptive;
mod arguments;
mod control;
mod divergence;
mod dormand_prince;
mod error;
mod flow_map;
mod grid;
mod guidance;
mod likelihood;
mod method;
mod multistep;
mod runge_kutta;
mod scratch;
mod search;
mod solve;
mod watch;

pub use adaptive::DormandPrince;
pub use arguments::{Arguments, FieldWithArguments};
pub use control::Control;
pub use divergence::{AutodiffMode, Divergence};
pub use error::OdeError;
pub use flow_map::FlowMapStepper;
pub use grid::TimeGrid;
pub use guidance::Guided;
pub use likelihood::{Densities, FlowDensity};
pub use method::Method;
pub use multistep::AdamsBashforth2;
pub use runge_kutta::RungeKutta;
pub use search::{FoundGrid, GridSearch};
pub use solve::{Journey, Options, Solution, Solver, solve, solve_with};
