//! Semidiscrete optimal transport: from a law that can be sampled to all points of a training set.

use crate::assignment::{Dense, assign};
use crate::error::{PairsError, TransportError};
use crate::pair_store::file_error;
use crate::tensors::{flatten, squared_distances};
use ndarray::ArrayView1;
use std::path::Path;
use strait_core::{Draws, Error, PairedDataset, Pairs, Source, Stream};
use strait_io::tensors;
use tch::{Device, Kind, Tensor};

/// Data points of the exact assignment that the ascent starts from, at most.
const WARM: i64 = 1024;

/// Source points of one step of the ascent.
const BATCH: i64 = 256;

/// Source points, for each data point, between two estimates of the marginal, and in each estimate at least.
const ROUND: i64 = 32;

/// When the ascent of [`Semidiscrete::solve`] ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ascent {
    /// The greatest $\chi^2$ of the data's marginal.
    pub tolerance: f64,
    /// The most source points that are drawn.
    pub most: i64,
}

/// Semidiscrete optimal transport from a source to all m points of a training set, at the costs $|x_0 - y_j|^2 / 2$
/// (Genevay et al., 2016):
///
/// $$x_1 = y_j, \quad j = \arg\min_j \bigl( |x_0 - y_j|^2 / 2 - g_j \bigr).$$
///
/// The potentials $g$ maximise $E_{x_0} \min_j ( |x_0 - y_j|^2 / 2 - g_j ) + \sum_j w_j g_j$, whose slope in $g_j$ is
/// $w_j - p_j$, with $p_j = P(x_1 = y_j)$ and the share $w_j$ of the data that lies at $y_j$: points that occur several
/// times are one point of a larger share, and each of its rows is drawn alike.
///
/// For any potentials the source is exact, and no coupling of the source with $p$ costs less; that $p$ is $w$ holds in
/// the limit, and [`Semidiscrete::chi_square`] says how nearly.
///
/// ```
/// use strait_core::Seed;
/// use strait_transport::{Ascent, Semidiscrete};
/// use tch::{Device, Kind};
/// let normal = |n: i64, draws: &mut strait_core::Draws| draws.normal(&[n, 2], Kind::Double, Device::Cpu);
/// let mut draws = Seed(0).stream("semidiscrete").at(0);
/// let data = normal(50, &mut draws)? + 3.0;
/// let ascent = Ascent { tolerance: 0.05, most: 1_000_000 };
/// let transport = Semidiscrete::solve(&data, ascent, &mut draws, normal)?;
/// let x0 = normal(8, &mut draws)?;
/// let pairs = transport.pair(x0, &mut draws)?;
/// assert_eq!(pairs.x1, data.index_select(0, &pairs.target_rows.unwrap()));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Semidiscrete {
    event: Vec<i64>,
    /// (m, ...).
    data: Tensor,
    cells: Cells,
    chi_square: f64,
    draws: i64,
}

/// The distinct points of a data set, and the rows of each.
#[derive(Debug)]
struct Places {
    /// (k, d).
    points: Tensor,
    /// Rows of the data, (m,): those of the first place, of the second, and so on.
    rows: Tensor,
    /// Where the rows of each place begin, (k,).
    first: Tensor,
    /// How many rows each place has, (k,).
    count: Tensor,
}

impl Places {
    fn of(data: &Tensor) -> Result<Self, Error> {
        let (points, place, count) = flatten("data", data)?.f_unique_dim(0, true, true, true)?;
        let rows = place.f_argsort(0, false)?;
        let first = count.f_cumsum(0, Kind::Int64)?.f_sub(&count)?;
        Ok(Self { points, rows, first, count })
    }

    /// A row of each of the given places, (n,), uniform among its rows.
    fn row(&self, places: &Tensor, draws: &mut Draws) -> Result<Tensor, Error> {
        let count = self.count.f_index_select(0, places)?;
        let among = draws.uniform(&places.size(), Kind::Double, places.device())?.f_mul(&count)?;
        let among = among.f_to_kind(Kind::Int64)?.f_minimum(&(count - 1))?;
        Ok(self.rows.f_index_select(0, &self.first.f_index_select(0, places)?.f_add(&among)?)?)
    }
}

/// The numbers that decide between the points, with the origin in their mean, which keeps digits and changes no
/// difference.
#[derive(Debug)]
struct Cells {
    places: Places,
    /// $w$, (k,).
    shares: Tensor,
    centre: Tensor,
    /// $y$ above $g - |y|^2 / 2$, (d + 1, k), of the data's kind.
    weights: Tensor,
    /// $g$, (k,), in double precision.
    potentials: Tensor,
}

impl Cells {
    fn new(places: Places, potentials: Tensor) -> Result<Self, Error> {
        let (points, m) = (&places.points, places.rows.size()[0]);
        let shares = places.count.f_to_kind(Kind::Double)? / m as f64;
        let centre = points.f_to_kind(Kind::Double)?.f_mean_dim([0i64].as_slice(), true, Kind::Double)?;
        let weights = points.f_zeros_like()?;
        let mut cells = Self { shares, centre, weights, potentials, places };
        cells.weights = cells.weights_of(&cells.potentials)?;
        Ok(cells)
    }

    fn weights_of(&self, potentials: &Tensor) -> Result<Tensor, Error> {
        let y = self.places.points.f_to_kind(Kind::Double)?.f_sub(&self.centre)?;
        let half_squares = y.f_square()?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double)? * 0.5;
        let last = potentials.f_sub(&half_squares)?.f_unsqueeze(1)?;
        Ok(Tensor::f_cat(&[y, last], 1)?.f_to_kind(self.places.points.kind())?.f_transpose(0, 1)?.f_contiguous()?)
    }

    /// $x \cdot y_j - |y_j|^2 / 2 + g_j$, (n, k): greatest where the reduced cost is least.
    fn scores(&self, x0: &Tensor, weights: &Tensor) -> Result<Tensor, Error> {
        let x = flatten("x0", x0)?.f_to_kind(Kind::Double)?.f_sub(&self.centre)?;
        let one = Tensor::f_ones([x.size()[0], 1], (Kind::Double, x.device()))?;
        Ok(Tensor::f_cat(&[x, one], 1)?.f_to_kind(weights.kind())?.f_matmul(weights)?)
    }

    fn choose(&self, x0: &Tensor, weights: &Tensor) -> Result<Tensor, Error> {
        Ok(self.scores(x0, weights)?.f_argmax(1, false)?)
    }

    /// How often each place is chosen, (k,).
    fn counts(&self, x0: &Tensor, weights: &Tensor) -> Result<Tensor, Error> {
        let chosen = self.choose(x0, weights)?;
        Ok(chosen.f_bincount(None::<Tensor>, self.shares.size()[0])?.f_to_kind(Kind::Double)?)
    }

    /// $\sum_j n_j (n_j - 1) / (w_j N (N - 1)) - 1$ of counts over N fresh draws: unbiased, as
    /// $E[n_j (n_j - 1)] = N (N - 1) p_j^2$.
    fn chi_square(
        &self,
        total: i64,
        draws: &mut Draws,
        source: impl Fn(i64, &mut Draws) -> Result<Tensor, Error>,
    ) -> Result<f64, Error> {
        let mut counts = self.shares.f_zeros_like()?;
        let mut left = total;
        while left > 0 {
            let n = left.min(BATCH);
            counts = counts.f_add(&self.counts(&source(n, draws)?, &self.weights)?)?;
            left -= n;
        }
        let pairs = (&counts * (&counts - 1.0)).f_div(&self.shares)?.f_sum(Kind::Double)?.f_double_value(&[])?;
        let n = total as f64;
        Ok(pairs / (n * (n - 1.0)) - 1.0)
    }
}

impl Semidiscrete {
    fn new(data: Tensor, cells: Cells, chi_square: f64, draws: i64) -> Self {
        Self { event: data.size()[1..].to_vec(), data, cells, chi_square, draws }
    }

    /// Solves for `data`, (m, ...), on points that `source` draws, as many as it is asked for: averaged stochastic
    /// ascent from the dual prices of an exact assignment of a subsample on. It stops where an estimate of $\chi^2$ on
    /// fresh draws is at most the tolerance.
    ///
    /// # Errors
    /// Those of `source`; `Shape` for data that do not fit it; [`TransportError::Marginal`] where the most draws do not
    /// reach the tolerance.
    pub fn solve(
        data: &Tensor,
        ascent: Ascent,
        draws: &mut Draws,
        source: impl Fn(i64, &mut Draws) -> Result<Tensor, Error>,
    ) -> Result<Self, Error> {
        let places = Places::of(data)?;
        let mut g = warm(data, &places, draws, &source)?;
        let mut cells = Cells::new(places, g.shallow_clone())?;
        let (m, k) = (data.size()[0], g.size()[0]);
        // What one point too many moves a potential by: some times what turns a choice, at the median.
        let two = cells.scores(&source(BATCH, draws)?, &cells.weights)?.f_topk(2.min(k), 1, true, true)?.0;
        let gap = two.f_select(1, 0)?.f_sub(&two.f_select(1, -1)?)?.f_median()?.f_double_value(&[])?;
        let expected = &cells.shares * BATCH as f64;
        // The standard error of a look is at most half the tolerance, as far as the draws go.
        let wanted = (2.0 * (2.0 * k as f64).sqrt() / ascent.tolerance) as i64;
        let look = wanted.min(ascent.most).max(ROUND * m);
        let (mut drawn, mut step) = (0, 0.0);
        loop {
            for _ in 0..1 + ROUND * m / BATCH {
                let counts = cells.counts(&source(BATCH, draws)?, &cells.weights_of(&g)?)?;
                let rate = 4.0 * gap / (1.0 + step * BATCH as f64 / m as f64).sqrt();
                g = g.f_add(&((&expected - counts) * rate))?;
                step += 1.0;
                // Weights that rise with the step: the start is forgotten.
                cells.potentials = cells.potentials.f_lerp(&g, 2.0 / (step + 1.0))?;
                drawn += BATCH;
            }
            cells.weights = cells.weights_of(&cells.potentials)?;
            let found = cells.chi_square(look, draws, &source)?;
            drawn += look;
            if found <= ascent.tolerance {
                // The one that was stopped at is small by choice; another is not.
                let chi_square = cells.chi_square(look, draws, &source)?;
                return Ok(Self::new(data.shallow_clone(), cells, chi_square, drawn + look));
            }
            if drawn >= ascent.most {
                let tolerance = ascent.tolerance;
                return Err(Error::other(TransportError::Marginal { found, tolerance, draws: drawn }));
            }
        }
    }

    /// Pairs each source point, (n, ...), with its data point; the source stays in place. `target_rows` are rows of the
    /// training set, so that labels are found by them. `draws` decides between rows of equal points alone.
    ///
    /// # Errors
    /// `Shape` for points that are not of the data's shape.
    pub fn pair(&self, x0: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        if x0.dim() == 0 || x0.size()[1..] != self.event {
            let expected = format!("(n, ...) of points {:?}", self.event);
            return Err(Error::Shape { what: "x0", expected, found: x0.size() });
        }
        let rows = self.cells.places.row(&self.cells.choose(&x0, &self.cells.weights)?, draws)?;
        Ok(Pairs { x1: self.data.f_index_select(0, &rows)?, x0, target_rows: Some(rows) })
    }

    /// An unbiased estimate of $\chi^2 = \sum_j p_j^2 / w_j - 1$, the squared relative deviation of the data's marginal
    /// on average over the data, from draws that nothing else was chosen by. Its standard error is at most half the
    /// tolerance, and it can be negative.
    pub fn chi_square(&self) -> f64 {
        self.chi_square
    }

    /// The source points that were drawn to solve it.
    pub fn draws(&self) -> i64 {
        self.draws
    }

    /// The training set, (m, ...).
    pub fn data(&self) -> &Tensor {
        &self.data
    }

    /// Writes data and potentials to a safetensors file.
    ///
    /// # Errors
    /// `Io` names the file.
    pub fn save(&self, path: &Path) -> Result<(), PairsError> {
        let account = Tensor::f_from_slice(&[self.chi_square, self.draws as f64]).map_err(Error::from)?;
        let named = |name: &str, tensor: &Tensor| (name.to_owned(), tensor.shallow_clone());
        let all = [named("account", &account), named("data", &self.data), named("potentials", &self.cells.potentials)];
        tensors::write(path, &all).map_err(file_error)
    }

    /// Reads what [`Semidiscrete::save`] wrote; None where there is no such file.
    ///
    /// # Errors
    /// `Io` and `Damaged` name the file.
    pub fn load(path: &Path, device: Device) -> Result<Option<Self>, PairsError> {
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |problem: &str| PairsError::Damaged { path: path.to_owned(), problem: problem.to_owned() };
        let found = tensors::read(path).map_err(file_error)?;
        let take = |what: &str| {
            let (_, tensor) =
                found.iter().find(|(name, _)| name == what).ok_or_else(|| damaged("parts are missing"))?;
            tensor.f_to_device(device).map_err(|error| PairsError::Core(error.into()))
        };
        let (account, data, potentials) = (take("account")?, take("data")?, take("potentials")?);
        if data.dim() < 2 || account.size() != [2] || account.kind() != Kind::Double {
            return Err(damaged("its parts do not fit each other"));
        }
        let places = Places::of(&data)?;
        if potentials.size() != places.count.size() || potentials.kind() != Kind::Double {
            return Err(damaged("its parts do not fit each other"));
        }
        let (chi_square, draws) = (account.double_value(&[0]), account.double_value(&[1]) as i64);
        Ok(Some(Self::new(data, Cells::new(places, potentials)?, chi_square, draws)))
    }
}

/// Potentials of all places from the dual prices of an exact assignment of some: $g_j = \min_i (c_{ij} - u_i)$.
fn warm(
    data: &Tensor,
    places: &Places,
    draws: &mut Draws,
    source: impl Fn(i64, &mut Draws) -> Result<Tensor, Error>,
) -> Result<Tensor, Error> {
    let m = data.size()[0];
    let some = m.min(WARM);
    let x0 = flatten("x0", &source(some, draws)?)?;
    let rows = draws.permutation(m, data.device())?.f_narrow(0, 0, some)?;
    let costs = squared_distances(&x0, &flatten("data", data)?.f_index_select(0, &rows)?)? * 0.5;
    let prices = assign(&Dense(costs.view())).map_err(Error::other)?.row_potentials;
    let costs = squared_distances(&x0, &places.points)? * 0.5;
    let least = |column: ArrayView1<'_, f64>| {
        column.iter().zip(&prices).map(|(cost, price)| cost - price).fold(f64::INFINITY, f64::min)
    };
    let potentials: Vec<f64> = costs.columns().into_iter().map(least).collect();
    Ok(Tensor::f_from_slice(&potentials)?.f_to_device(data.device())?)
}

/// Fresh source points, each with its data point: pairs of a global coupling, as training draws them.
///
/// ```
/// use strait_core::{Draws, PairedDataset, Seed, StandardNormal};
/// use strait_transport::{Ascent, Semidiscrete, SemidiscretePairs};
/// use tch::{Device, Kind, Tensor};
/// let normal = |n: i64, draws: &mut Draws| draws.normal(&[n, 1], Kind::Float, Device::Cpu);
/// let data = Tensor::from_slice(&[-1.0f32, 1.0]).view([2, 1]);
/// let mut draws = Seed(0).stream("semidiscrete").at(0);
/// let transport = Semidiscrete::solve(&data, Ascent { tolerance: 0.05, most: 100_000 }, &mut draws, normal)?;
/// # let source = StandardNormal::new(&[1]);
/// let pairs = SemidiscretePairs { transport: &transport, source: &source };
/// let batch = pairs.minibatch(64, 7, Seed(0).stream("pairs"))?;
/// assert!((batch.x0.sign() - batch.x1).abs().mean(Kind::Float).double_value(&[]) < 0.5);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct SemidiscretePairs<'a> {
    /// The coupling.
    pub transport: &'a Semidiscrete,
    /// What it was solved for.
    pub source: &'a dyn Source,
}

impl PairedDataset for SemidiscretePairs<'_> {
    fn event_shape(&self) -> &[i64] {
        &self.transport.event
    }

    /// Data points: source points are fresh.
    fn count(&self) -> i64 {
        self.transport.data.size()[0]
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let (data, mut draws) = (&self.transport.data, stream.at(step));
        let x0 = self.source.sample(n, &mut draws, data.kind(), data.device())?;
        self.transport.pair(x0, &mut draws)
    }
}
