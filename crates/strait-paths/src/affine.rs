use crate::linear::{check, check_before_end};
use strait_autodiff::{Jet, Order};
use strait_core::{
    Error, Interpolant, Inverted, InvertibleInterpolant, PathCurve, PathSample, TimeFunction, event_size, per_sample,
};
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
/// $$ x_t = (1-t)\,L(x_1, t)\,x_0 + t x_1 + t(1-t)\,m(x_1, t) $$
///
/// L is lower triangular with diagonal $\exp(t\,s(x_1, t))$ and its other entries multiplied by t, so that $L = I$ at
/// $t = 0$; $s$, the other entries and $m$ come from one network of $(x_1, t)$. A network that is zero makes the
/// linear path, bit for bit. Derivatives in t are exact, by Taylor mode.
#[derive(Debug)]
pub struct Affine<F> {
    network: F,
    config: AffineConfig,
    /// Row and column of each entry below the diagonal.
    below: Option<(Tensor, Tensor)>,
}

/// The parts of the path at $(x_1, t)$: gated log-scales (B, d), gated entries below the diagonal, m (B, d).
struct Parts {
    log_scale: Jet,
    below: Option<Jet>,
    shift: Jet,
}

impl<F: TimeFunction> Affine<F> {
    /// From a network whose result has `config.outputs()` numbers for each sample.
    ///
    /// # Errors
    /// `Shape` for a dimension below 1.
    pub fn new(network: F, config: AffineConfig) -> Result<Self, Error> {
        if config.dimensions < 1 {
            let found = vec![config.dimensions];
            return Err(Error::Shape { what: "affine path", expected: "at least one dimension".into(), found });
        }
        let below = (config.mixing == Mixing::Triangular && config.dimensions > 1).then(|| {
            let d = config.dimensions;
            let index = Tensor::tril_indices(d, d, -1, (Kind::Int64, tch::Device::Cpu));
            (index.get(0), index.get(1))
        });
        Ok(Self { network, config, below })
    }

    /// The network.
    pub fn network(&self) -> &F {
        &self.network
    }

    fn parts(&self, x1: &Tensor, t: &Tensor, order: Order) -> Result<Parts, Error> {
        let d = self.config.dimensions;
        if event_size(x1) != d {
            return Err(Error::Shape { what: "x1", expected: format!("(B, ...) with {d} in all"), found: x1.size() });
        }
        let out = self.network.jet(x1, t, order)?;
        let size = out.value().size();
        if size != [x1.size()[0], self.config.outputs()] {
            let expected = format!("(B, {})", self.config.outputs());
            return Err(Error::Shape { what: "the affine path's network", expected, found: size });
        }
        let gate = Jet::variable(&t.unsqueeze(1), order);
        let bound = self.config.log_scale_bound;
        let part = |from: i64, length: i64| out.view(|x| x.narrow(1, from, length));
        let rest = self.config.outputs() - 2 * d;
        Ok(Parts {
            log_scale: part(0, d).scale(1.0 / bound).tanh().scale(bound).times(&gate),
            shift: part(d, d),
            below: (rest > 0).then(|| part(2 * d, rest).times(&gate)),
        })
    }

    /// The strictly lower triangular matrix (B, d, d) of its entries.
    fn matrix(&self, entries: &Tensor) -> Tensor {
        let (d, b) = (self.config.dimensions, entries.size()[0]);
        let Some((row, column)) = &self.below else {
            return Tensor::zeros([b, d, d], (entries.kind(), entries.device()));
        };
        let flat = (row * d + column).to_device(entries.device()).unsqueeze(0).expand([b, -1], false);
        Tensor::zeros([b, d * d], (entries.kind(), entries.device())).scatter(1, &flat, entries).view([b, d, d])
    }

    fn jet(&self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        check(x0, x1, t)?;
        let Parts { log_scale, below, shift } = self.parts(x1, t, order)?;
        let flat = x0.flatten(1, -1);
        let x = Jet::constant(&flat);
        let mut moved = log_scale.exp().times(&x);
        if let Some(below) = below {
            let mixed = below.view(|e| self.matrix(e).matmul(&flat.unsqueeze(2)).squeeze_dim(2));
            moved = moved.plus(&mixed);
        }
        let shape = x0.size();
        let like = |jet: Jet| jet.view(|v| v.view(shape.as_slice()));
        let time = Jet::variable(&per_sample(t, x0), order);
        let rest = time.map(|t| 1f64 - t, Tensor::neg);
        let line = rest.times(&like(moved)).plus(&time.times(&Jet::constant(x1)));
        Ok(line.plus(&time.times(&rest).times(&like(shift))))
    }
}

impl<F: TimeFunction> Interpolant for Affine<F> {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let jet = self.jet(x0, x1, t, Order::First)?;
        Ok(PathSample { velocity: jet.first(), x_t: jet.value().shallow_clone() })
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let jet = self.jet(x0, x1, t, Order::Second)?;
        Ok(PathCurve { velocity: jet.first(), acceleration: jet.second(), x_t: jet.value().shallow_clone() })
    }
}

impl<F: TimeFunction> InvertibleInterpolant for Affine<F> {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        check(x_t, x1, t)?;
        check_before_end("the affine path's inverse", t)?;
        let Parts { log_scale, below, shift } = self.parts(x1, t, Order::Value)?;
        let s = t.unsqueeze(1);
        let rest = 1f64 - &s;
        let flat = |x: &Tensor| x.flatten(1, -1);
        let moved = (flat(x_t) - &s * flat(x1)) / &rest - &s * shift.value();
        let scale = log_scale.value().exp();
        let x0 = match below {
            Some(below) => {
                let l = self.matrix(below.value()) + Tensor::diag_embed(&scale, 0, -2, -1);
                l.linalg_solve_triangular(&moved.unsqueeze(2), false, true, false).squeeze_dim(2)
            }
            None => moved / scale,
        };
        let log_l = log_scale.value().sum_dim_intlist([1i64].as_slice(), false, x_t.kind());
        let log_det = -((1f64 - t).log() * self.config.dimensions as f64 + log_l);
        Ok(Inverted { x0: x0.view_as(x_t), log_det })
    }
}
