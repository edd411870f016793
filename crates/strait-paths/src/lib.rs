//! Interpolants $x_t = \varphi_t(x_0; x_1)$ between source and data, with exact velocities and accelerations.
//!
//! | family | $x_t$ | invertible in $x_0$ | $\log\lvert\det \partial\varphi/\partial x_0\rvert$ |
//! | --- | --- | --- | --- |
//! | [`Linear`] | $(1-t)x_0 + t x_1$ | $t < 1$ | $d \log(1-t)$ |
//! | [`Schedule`] | $a(t)x_0 + b(t)x_1$ | $a(t) > 0$ | $d \log a(t)$ |
//! | [`Affine`] | $(1-t)L x_0 + t x_1 + t(1-t)m$, with $L, m$ of $(x_1, t)$ | $t < 1$ | $d \log(1-t) + \log\det L$ |
//!
//! Every family keeps $\varphi_0 = x_0$ and $\varphi_1 = x_1$ for every value of its parameters, and a learned family
//! starts as the linear path. [`ExactField`] is the exact marginal field of the invertible ones; [`gaussian`] has closed-form fields to check everything against.

mod affine;
mod exact_field;
pub mod gaussian;
mod linear;
mod schedule;
mod velocity;

pub use affine::{Affine, AffineConfig, Mixing};
pub use exact_field::{Exact, ExactField};
pub use linear::Linear;
pub use schedule::Schedule;
pub use velocity::{along_time, differentiate, differentiate_twice};
