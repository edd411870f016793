//! Sampling along a flow: rules with a fixed step and to a tolerance, the grids of times they walk, and log-densities.
//!
//! Evaluations of the field are counted as they happen, so every result says what it cost.
//!
//! The solver knows of a field only that it is a [`VelocityField`](strait_core::VelocityField), and of a rule only
//! that it is a [`Stepper`](strait_core::Stepper): bring your own of either.
//!
//! ```
//! use strait_core::{Error, VelocityField};
//! use strait_ode::{Method, Options, TimeGrid};
//! use tch::{Device, Kind, Tensor};
//! struct Shift; // every sample moves by 3
//! impl VelocityField for Shift {
//!     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
//!         Ok(x.full_like(3.0))
//!     }
//! }
//! let x0 = Tensor::zeros([4, 2], (Kind::Double, Device::Cpu));
//! let method: Method = "midpoint".parse()?;
//! let grid = TimeGrid::uniform(method.steps(8)?)?;
//! let solution = method.solve(&Shift, &x0, &grid, Options { trajectory: true, ..Options::default() })?;
//! assert_eq!(solution.nfe, 8);
//! assert!(solution.x.allclose(&(&x0 + 3.0), 1e-12, 0.0, false));
//! assert_eq!(solution.trajectory.unwrap().size(), [5, 4, 2]);
//! # Ok::<(), strait_ode::OdeError>(())
//! ```

mod adaptive;
mod control;
mod divergence;
mod dormand_prince;
mod error;
mod grid;
mod likelihood;
mod method;
mod multistep;
mod runge_kutta;
mod scratch;
mod search;
mod solve;
mod watch;

pub use adaptive::DormandPrince;
pub use control::Control;
pub use divergence::{Divergence, Mode};
pub use error::OdeError;
pub use grid::TimeGrid;
pub use likelihood::{Densities, FlowDensity};
pub use method::Method;
pub use multistep::AdamsBashforth2;
pub use runge_kutta::RungeKutta;
pub use search::{FoundGrid, GridSearch};
pub use solve::{Options, Solution, solve};
