//! The affine map of the noise, with parameters that a network computes from an endpoint and a time: its matrix and its
//! inverse.

use strait_autodiff::{Jet, Order};
use strait_core::{Error, TimeFunction, event_size};
use tch::{Kind, Tensor};

/// How the coordinates of $x_0$ are mixed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixing {
    /// L is diagonal: $2d$ numbers from the network.
    Diagonal,
    /// L is lower triangular: $2d + d(d-1)/2$ numbers from the network.
    Triangular,
}

/// The shape of an affine path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineConfig {
    /// Dimensions of one sample, flattened.
    pub dimensions: i64,
    /// Whether L mixes coordinates.
    pub mixing: Mixing,
    /// Log-scales stay within $\pm$ this bound, by $c \tanh(s/c)$.
    pub log_scale_bound: f64,
}

impl AffineConfig {
    /// How many numbers the network must give for each sample.
    ///
    /// ```
    /// use strait_paths::{AffineConfig, Mixing};
    /// let config = AffineConfig { dimensions: 4, mixing: Mixing::Triangular, log_scale_bound: 2.0 };
    /// assert_eq!(config.outputs(), 4 + 4 + 6);
    /// ```
    pub fn outputs(&self) -> i64 {
        let d = self.dimensions;
        match self.mixing {
            Mixing::Diagonal => 2 * d,
            Mixing::Triangular => 2 * d + d * (d - 1) / 2,
        }
    }
}

/// A learned path, affine in $x_0$:
///
/// $$ x_t = (1-t) L(x_1, t) x_0 + t x_1 + t(1-t) m(x_1, t) $$
///
/// L is lower triangular with diagonal $\exp(t s(x_1, t))$ and its other entries multiplied by t, so that $L = I$ at
/// $t = 0$; $s$, the other entries and $m$ come from one network of $(x_1, t)$. A network that is zero makes the
/// linear path, bit for bit. Derivatives in t are exact, by Taylor mode.
#[derive(Debug)]
pub struct Affine<F> {
    network: F,
    pub(super) config: AffineConfig,
    /// Where each entry below the diagonal stands in the flattened matrix.
    below: Option<Tensor>,
}

/// The parts of the path at $(x_1, t)$: gated log-scales, gated entries below the diagonal row by row, m.
pub(super) struct Parts {
    pub(super) log_scale: Jet,
    pub(super) below: Option<Jet>,
    pub(super) shift: Jet,
}

impl<F: TimeFunction> Affine<F> {
    /// From a network whose result has `config.outputs()` numbers for each sample.
    ///
    /// # Errors
    /// `Shape` for a dimension below 1; `Setting` for a bound that is not positive and finite.
    pub fn new(network: F, config: AffineConfig) -> Result<Self, Error> {
        if config.dimensions < 1 {
            let found = vec![config.dimensions];
            return Err(Error::Shape { what: "affine path", expected: "at least one dimension".into(), found });
        }
        let value = config.log_scale_bound;
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::Setting { what: "the bound of log-scales", value, must: "positive and finite" });
        }
        let below = (config.mixing == Mixing::Triangular && config.dimensions > 1).then(|| {
            let d = config.dimensions;
            let index = Tensor::tril_indices(d, d, -1, (Kind::Int64, tch::Device::Cpu));
            index.get(0) * d + index.get(1)
        });
        Ok(Self { network, config, below })
    }

    /// The network.
    pub fn network(&self) -> &F {
        &self.network
    }

    /// The same path with another network of as many numbers.
    pub(super) fn with<G>(&self, network: G) -> Affine<G> {
        Affine { network, config: self.config, below: self.below.as_ref().map(Tensor::shallow_clone) }
    }

    /// The network's numbers, (N, outputs), with derivatives.
    pub(super) fn numbers(&self, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        let d = self.config.dimensions;
        if event_size(x1) != d {
            return Err(Error::Shape { what: "x1", expected: format!("(B, ...) with {d} in all"), found: x1.size() });
        }
        let numbers = self.network.jet(x1, t, order)?;
        let size = numbers.value().size();
        if size != [x1.size()[0], self.config.outputs()] {
            let expected = format!("(B, {})", self.config.outputs());
            return Err(Error::Shape { what: "the affine path's network", expected, found: size });
        }
        Ok(numbers)
    }

    /// The parts that the numbers along an axis stand for; `time` broadcasts against them.
    pub(super) fn parts_of(&self, numbers: &Jet, axis: i64, time: &Jet) -> Parts {
        let (d, bound) = (self.config.dimensions, self.config.log_scale_bound);
        let part = |from: i64, length: i64| numbers.view(|x| x.narrow(axis, from, length));
        let rest = self.config.outputs() - 2 * d;
        Parts {
            log_scale: part(0, d).scale(1.0 / bound).tanh().scale(bound).times(time),
            shift: part(d, d),
            below: (rest > 0).then(|| part(2 * d, rest).times(time)),
        }
    }

    pub(super) fn parts(&self, numbers: &Jet, t: &Tensor, order: Order) -> Parts {
        self.parts_of(numbers, 1, &Jet::variable(&t.unsqueeze(1), order))
    }

    /// The strictly lower triangular matrix (N, d, d) of its entries.
    fn matrix(&self, entries: &Tensor) -> Tensor {
        let (d, n) = (self.config.dimensions, entries.size()[0]);
        let Some(index) = &self.below else {
            return Tensor::zeros([n, d, d], (entries.kind(), entries.device()));
        };
        let index = index.to_device(entries.device()).unsqueeze(0).expand([n, -1], false);
        Tensor::zeros([n, d * d], (entries.kind(), entries.device())).scatter(1, &index, entries).view([n, d, d])
    }

    /// The points at t of Q sources (N, Q, d) on the paths to each of N endpoints (N, d), with `parts` of endpoints and times.
    pub(super) fn place(&self, parts: &Parts, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Jet {
        let each = |jet: &Jet| jet.view(|v| v.unsqueeze(1));
        let mut moved = each(&parts.log_scale).exp().times(&Jet::constant(x0));
        if let Some(below) = &parts.below {
            moved = moved.plus(&below.view(|e| x0.matmul(&self.matrix(e).mt())));
        }
        let time = Jet::variable(&t.view([-1, 1, 1]), order);
        let rest = time.map(|t| 1f64 - t, Tensor::neg);
        let line = rest.times(&moved).plus(&time.times(&Jet::constant(&x1.unsqueeze(1))));
        line.plus(&time.times(&rest).times(&each(&parts.shift)))
    }

    /// The sources (N, Q, d) of the paths to each of N endpoints through Q points, and log-determinants (N,).
    pub(super) fn sources(&self, parts: &Parts, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> (Tensor, Tensor) {
        let s = t.view([-1, 1, 1]);
        let moved = (x_t - &s * x1.unsqueeze(1)) / (1f64 - &s) - &s * parts.shift.value().unsqueeze(1);
        let log_scale = parts.log_scale.value();
        let x0 = match &parts.below {
            Some(below) => {
                let l = self.matrix(below.value()) + Tensor::diag_embed(&log_scale.exp(), 0, -2, -1);
                l.linalg_solve_triangular(&moved.mt(), false, true, false).mt()
            }
            None => moved * log_scale.neg().exp().unsqueeze(1),
        };
        let log_l = log_scale.sum_dim_intlist([1i64].as_slice(), false, log_scale.kind());
        (x0, -((1f64 - t).log() * self.config.dimensions as f64 + log_l))
    }
}
