use crate::suite;
use std::fmt;

/// What every interpolant must satisfy; the last five hold of invertible ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and no call fails.
    Runs,
    /// Position, velocity and acceleration have the shape of $x_0$ and are finite.
    Shape,
    /// $\varphi_0 = x_0$ and $\varphi_1 = x_1$ to the bit, by `at` and by `position`, with finite velocities there, in
    /// float64 and float32.
    Endpoints,
    /// `position` is the position of `at`.
    Position,
    /// The velocity is the central difference of the position, for every sample and entry, within $10^{-6}$.
    Velocity,
    /// `curve` has the position and velocity of `at`, and its acceleration is the difference of the velocity.
    Acceleration,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// `marginal_at`, where a path has it, is `at` over endpoints that are all one, within $10^{-6}$ for $t \le 0.95$.
    OneEnd,
    /// With the same parameters and inputs in float32, position and velocity are those of float64 within $10^{-3}$.
    SinglePrecision,
    /// Along one random direction in all parameters, the gradient of what `position`, `at` and `curve` give is its
    /// central difference; of an invertible path, also that of `invert`, `marginal` and `moving_marginal` (but for the
    /// `log_effective` of the last).
    Gradient,
    /// $\varphi_t^{-1}(\varphi_t(x_0; x_1); x_1) = x_0$ within $10^{-9}$ for $t \le 0.95$.
    RoundTrip,
    /// The inverse's log-determinant is that of the autograd Jacobian of its own map, for every sample.
    LogDet,
    /// `through` and `marginal` are what `invert` and `at` make of every pair by itself, under $N(0, I)$ and
    /// $N(0, 4I)$.
    Through,
    /// `marginal_at`, where a path has it, has over any endpoints the velocity of `marginal` at its own position.
    ManyEnds,
    /// `moving_marginal`, where a path has it, is `marginal` with its difference along the flow, within $10^{-5}$.
    Moving,
}

pub(super) type Fault = suite::Fault<Law>;

pub(super) fn runs(error: impl fmt::Display) -> Fault {
    Fault::new(Law::Runs, error.to_string())
}
