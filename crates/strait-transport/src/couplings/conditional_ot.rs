use super::ExactOt;
use super::independent::same_count;
use crate::assignment::{Dense, assign};
use crate::tensors::{relative_costs, rows};
use ndarray::Array2;
use strait_core::{Conditions, Coupling, Draws, Error, Pairs};
use tch::{Kind, Tensor};

/// Conditional optimal transport within the minibatch (C2OT: Cheng and Schwing, arXiv 2503.10636).
///
/// Plain minibatch OT gives each data point a source point near it. Data points of one condition lie close together, so
/// their source points cover only a part of the source in training. Generation starts from all of the source, also
/// where nothing was learned for this condition. Here each source row i gets the condition of data row i as they were
/// drawn, which is independent of its position, and keeps it:
///
/// - classes: source and data rows of each class are paired among themselves, exactly, so that the source under a class is the
///   source;
/// - vectors: the permutation minimises $\sum_i |x_{0,i} - x_{1,\sigma(i)}|^2 + w |c_i - c_{\sigma(i)}|^2$. The weight w is the least
///   with which no more than a share of all pairs cost less than the pairs as they were drawn,
///   $|\lbrace (i, j): |x_{0,i} - x_{1,j}|^2 + w|c_i - c_j|^2 \le |x_{0,i} - x_{1,i}|^2\rbrace| \le \text{share} \cdot n^2$, found for each
///   batch. The share is that of the pairs that may be made; as it falls the pairs become independent, and the condition exact.
///
/// Without conditions it is [`ExactOt`]. Every row of either batch is used exactly once.
///
/// ```
/// use strait_core::{Conditions, Coupling, Seed};
/// use strait_transport::ConditionalOt;
/// use tch::Tensor;
///
/// let x0 = Tensor::from_slice(&[0.0f32, 3.0, 1.0, 2.0]).view([4, 1]);
/// let x1 = Tensor::from_slice(&[2.5f32, 1.5, 0.5, 3.5]).view([4, 1]);
/// let classes = Conditions::of("labels", Tensor::from_slice(&[0i64, 1, 0, 1]))?;
/// let pairs = ConditionalOt::default().couple_given(x0, x1, &classes, &mut Seed(0).stream("coupling").at(0))?;
/// assert_eq!(pairs.target_rows, Some(Tensor::from_slice(&[2i64, 3, 0, 1]))); // each within its class
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionalOt {
    /// For conditions that are vectors: the share of all pairs, above 0 and at most 1.
    pub share: f64,
}

impl Default for ConditionalOt {
    /// A share of .05.
    fn default() -> Self {
        Self { share: 0.05 }
    }
}

/// How many times a weight is doubled, and its range halved.
const STEPS: usize = 60;

impl Coupling for ConditionalOt {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        ExactOt.couple(x0, x1, draws)
    }

    fn couple_given(&self, x0: Tensor, x1: Tensor, conditions: &Conditions, draws: &mut Draws) -> Result<Pairs, Error> {
        let n = same_count(&x0, &x1)?;
        conditions.check(n)?;
        let Some(of_rows) = conditions.only()? else { return self.couple(x0, x1, draws) };
        let target = if of_rows.is_floating_point() {
            self.nearby(&x0, &x1, of_rows)?
        } else {
            within_classes(&x0, &x1, of_rows)?
        };
        let target_rows = rows(target.into_iter(), &x1)?;
        let x1 = x1.f_index_select(0, &target_rows)?;
        Ok(Pairs { x0, x1, target_rows: Some(target_rows) })
    }

    fn is_independent(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        "conditional minibatch OT"
    }

    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        Some(Box::new(*self))
    }
}

/// The data row of each source row, exactly assigned within each class.
fn within_classes(x0: &Tensor, x1: &Tensor, labels: &Tensor) -> Result<Vec<usize>, Error> {
    let labels = Vec::<i64>::try_from(&labels.f_reshape([-1])?.f_to_kind(Kind::Int64)?)?;
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&row| labels[row]); // stable
    let mut target = vec![0; labels.len()];
    for class in order.chunk_by(|&a, &b| labels[a] == labels[b]) {
        let places = rows(class.iter().copied(), x0)?;
        let of = |x: &Tensor| x.f_index_select(0, &places);
        let costs = relative_costs(&of(x0)?, &of(x1)?)?;
        let columns = assign(&Dense(costs.view())).map_err(Error::other)?.columns;
        class.iter().zip(columns).for_each(|(&row, column)| target[row] = class[column]);
    }
    Ok(target)
}

impl ConditionalOt {
    /// The data row of each source row, for conditions that are vectors.
    fn nearby(&self, x0: &Tensor, x1: &Tensor, c: &Tensor) -> Result<Vec<usize>, Error> {
        if !(self.share > 0.0 && self.share <= 1.0) {
            let (what, value) = ("the share of a conditional OT", self.share);
            return Err(Error::Setting { what, value, must: "above 0 and at most 1" });
        }
        let c = if c.dim() == 1 { c.f_unsqueeze(1)? } else { c.shallow_clone() };
        let (costs, apart) = (relative_costs(x0, x1)?, relative_costs(&c, &c)?);
        let weight = self.weight(&costs, &apart);
        let costs = costs + apart * weight;
        Ok(assign(&Dense(costs.view())).map_err(Error::other)?.columns)
    }

    /// w, by doubling and then halving from what makes the two terms of a usual pair alike: conditions may be of any unit.
    fn weight(&self, costs: &Array2<f64>, apart: &Array2<f64>) -> f64 {
        let most = self.share * costs.len() as f64;
        let is_enough = |w: f64| {
            let cheap = costs.outer_iter().zip(apart.outer_iter()).enumerate().map(|(i, (costs, apart))| {
                let own = costs[i];
                costs.iter().zip(apart).filter(|&(cost, apart)| cost + w * apart <= own).count()
            });
            cheap.sum::<usize>() as f64 <= most
        };
        if is_enough(0.0) {
            return 0.0;
        }
        let ratio = median(costs) / median(apart);
        let (mut low, mut high) = (0.0, if ratio.is_normal() { ratio } else { 1.0 });
        // Rows of one condition stay cheap at every weight.
        for _ in 0..STEPS {
            if is_enough(high) {
                break;
            }
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..STEPS {
            let middle = 0.5 * (low + high);
            (low, high) = if is_enough(middle) { (low, middle) } else { (middle, high) };
        }
        high
    }
}

/// The median of the entries above 0; 0 where there is none.
fn median(entries: &Array2<f64>) -> f64 {
    let mut positive: Vec<f64> = entries.iter().copied().filter(|&entry| entry > 0.0).collect();
    let middle = positive.len() / 2;
    if positive.is_empty() { 0.0 } else { *positive.select_nth_unstable_by(middle, f64::total_cmp).1 }
}
