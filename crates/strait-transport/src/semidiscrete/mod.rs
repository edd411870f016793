//! Semidiscrete optimal transport: from a law that can be sampled to all points of a training set.

mod ascent;
mod cells;
mod tree;

use crate::assignment::{Dense, assign};
use crate::error::{PairsError, TransportError};
use crate::pair_store::file_error;
use crate::tensors::{flatten, rows, squared_distances, to_array};
use ascent::{BATCH, Balance, Deviation};
use cells::Cells;
use ndarray::ArrayView1;
use std::path::Path;
use strait_core::{Draws, Error, PairedDataset, Pairs, Source, Stream};
use strait_io::tensors;
use tch::{Device, Kind, Tensor};
use tree::Tree;

/// Data points of the exact assignment that the ascent starts from, at most.
const WARM: i64 = 1024;

/// Source points, for each data point, before the first estimate of the marginal, and twice as many before each other.
const ROUND: i64 = 32;

/// Source points of an estimate that are drawn at once.
const LOOK: i64 = 4096;

/// Source points that slopes are read from.
const SLOPES: i64 = 1024;

/// When the ascent of [`Semidiscrete::solve`] ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ascent {
    /// The greatest $\chi^2$ of the data's marginal, at every scale: m points that are drawn from a law have $(m - 1)/m$ against it, and
    /// clusters of them in the same measure, so that a tolerance of .05 leaves each cluster a share that is off by less than a quarter of
    /// what its number of points is off by chance.
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
    places: Places,
    /// The places in the order of the tree that the cells are made by.
    order: Tensor,
    cells: Cells,
    /// $g$ of each place, (k,), in double precision.
    potentials: Tensor,
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

impl Semidiscrete {
    /// Solves for `data`, (m, ...), on points that `source` draws, as many as it is asked for: averaged stochastic
    /// ascent from the dual prices of an exact assignment of a subsample on, which moves single points and whole clusters, in halves
    /// of halves. It stops where estimates of $\chi^2$ at all scales, on fresh draws, are at most the tolerance.
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
        let points = to_array(&places.points)?;
        let (m, k) = (data.size()[0], points.nrows());
        let tree = Tree::of(points.view());
        let mut cells = Cells::of(points.view(), &tree);
        let by_place: Vec<f64> = Vec::try_from(&places.count.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?)?;
        let shares: Vec<f64> = tree.order.iter().map(|&place| by_place[place] / m as f64).collect();
        let start = warm(data, &places, draws, &source)?;
        let start: Vec<f64> = tree.order.iter().map(|&place| start[place]).collect();
        cells.set(&start);
        let x = |n: i64, draws: &mut Draws| to_array(&flatten("x0", &source(n, draws)?)?);
        let mut balance = Balance::new(&tree, &shares, start);
        // The standard error of a single node is at most half of its tolerance, as far as the draws go.
        let wanted = (2.0 * 2f64.sqrt() * k as f64 / ascent.tolerance) as i64;
        let look = wanted.min(ascent.most).max(ROUND * m);
        let deviation = |cells: &Cells, balance: &Balance<'_>, draws: &mut Draws| {
            let (mut found, mut left) = (vec![0.0; k], look);
            while left > 0 {
                let n = left.min(LOOK);
                for chosen in cells.choose(x(n, draws)?.view()) {
                    found[chosen.place] += 1.0;
                }
                left -= n;
            }
            Ok::<Deviation, Error>(balance.deviation(&found, look as f64))
        };
        let (mut drawn, mut steps) = (0, 1 + ROUND * m / BATCH as i64);
        loop {
            balance.look(&cells, x(SLOPES, draws)?.view());
            for _ in 0..steps {
                cells.set(balance.potentials());
                balance.step(&cells.choose(x(BATCH as i64, draws)?.view()));
                drawn += BATCH as i64;
            }
            cells.set(balance.mean());
            let found = deviation(&cells, &balance, draws)?.greatest;
            drawn += look;
            if found <= ascent.tolerance {
                // The one that was stopped at is small by choice; another is not.
                let chi_square = deviation(&cells, &balance, draws)?.whole;
                let mut potentials = vec![0.0; k];
                for (&place, g) in tree.order.iter().zip(balance.mean()) {
                    potentials[place] = *g;
                }
                let potentials = Tensor::f_from_slice(&potentials)?.f_to_device(data.device())?;
                return Self::new(data.shallow_clone(), places, (&tree, cells), potentials, (chi_square, drawn + look));
            }
            steps *= 2;
            if drawn >= ascent.most {
                let tolerance = ascent.tolerance;
                return Err(Error::other(TransportError::Marginal { found, tolerance, draws: drawn }));
            }
        }
    }

    fn new(
        data: Tensor,
        places: Places,
        (tree, cells): (&Tree, Cells),
        potentials: Tensor,
        (chi_square, draws): (f64, i64),
    ) -> Result<Self, Error> {
        let order = rows(tree.order.iter().copied(), &data)?;
        Ok(Self { event: data.size()[1..].to_vec(), data, places, order, cells, potentials, chi_square, draws })
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
        let chosen = self.cells.choose(to_array(&x0)?.view());
        let chosen = rows(chosen.iter().map(|chosen| chosen.place), &self.data)?;
        let rows = self.places.row(&self.order.f_index_select(0, &chosen)?, draws)?;
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
        let all = [named("account", &account), named("data", &self.data), named("potentials", &self.potentials)];
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
        let points = to_array(&places.points)?;
        let tree = Tree::of(points.view());
        let mut cells = Cells::of(points.view(), &tree);
        let by_place = Vec::<f64>::try_from(&potentials.to_device(Device::Cpu)).map_err(Error::from)?;
        cells.set(&tree.order.iter().map(|&place| by_place[place]).collect::<Vec<_>>());
        Ok(Some(Self::new(data, places, (&tree, cells), potentials, (chi_square, draws))?))
    }
}

/// Potentials of all places from the dual prices of an exact assignment of some: $g_j = \min_i (c_{ij} - u_i)$.
fn warm(
    data: &Tensor,
    places: &Places,
    draws: &mut Draws,
    source: impl Fn(i64, &mut Draws) -> Result<Tensor, Error>,
) -> Result<Vec<f64>, Error> {
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
    Ok(costs.columns().into_iter().map(least).collect())
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
