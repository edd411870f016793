#![doc = include_str!("../README.md")]
//!
//! ## The families
//!
//! | family | $x_t$ | invertible in $x_0$ | $\log\lvert\det \partial\varphi/\partial x_0\rvert$ |
//! | --- | --- | --- | --- |
//! | [`Linear`] | $(1-t)x_0 + t x_1$ | $t < 1$ | $d \log(1-t)$ |
//! | [`Schedule`] | $a(t)x_0 + b(t)x_1$ | $a(t) > 0$ | $d \log a(t)$ |
//! | [`Affine`] | $(1-t)L x_0 + t x_1 + t(1-t)m$, with $L, m$ of $(x_1, t)$ | $t < 1$ | $d \log(1-t) + \log\det L$ |
//! | [`GlowPath`] | $t x_1 + (1-t)F_t(x_0; x_1)$, F any conditional bijection | $t < 1$ | $d \log(1-t) + \log\lvert\det \partial F_t\rvert$ |
//! | [`Warped`] | $\Psi_t(z_t)$, $z_t$ another path, $\Psi$ any bijection | where $z_t$ is | the sum of both |
//! | [`Transport`] | $T_t(\cos(\theta_t) x_0 + \sin(\theta_t) T^{-1}(x_1))$, T any bijection | - | - |
//! | [`ResidualPath`] | $(1-t)x_0 + t x_1 + t(1-t)R(x_0, x_1, t)$, R any network | - | - |
//!
//! Every family keeps $\varphi_0 = x_0$ and $\varphi_1 = x_1$ for every value of its parameters, and a learned family
//! starts as the linear path ([`Transport`] as [`Schedule::Resting`]).

mod affine;
mod by_jet;
mod exact_field;
pub mod gaussian;
mod glow_path;
mod kernels;
mod linear;
mod material_derivative;
mod monotone;
mod residual_path;
mod schedule;
mod scheduled_marginal;
mod straightness;
mod time_derivative;
mod transport;
mod warped;

pub use affine::{Affine, AffineConfig, Mixing};
pub use exact_field::{Exact, ExactField, MovingExact};
pub use glow_path::GlowPath;
pub use linear::Linear;
pub use material_derivative::{Along, MaterialDerivative, material_derivative};
pub use monotone::Monotone;
pub use residual_path::ResidualPath;
pub use schedule::Schedule;
pub use straightness::{Curvature, curvature};
pub use time_derivative::{Differentiated, along_time, differentiate, differentiate_twice, taylor};
pub use transport::Transport;
pub use warped::Warped;
