use crate::columns::{Column, Look};
use crate::condition::Condition;
use crate::pictures::Skipped;
use crate::{DataError, Shift, Splits};
use strait_core::Split;
use tch::Tensor;

/// What was found in the files of a data set beside its points.
#[derive(Debug, Default)]
pub struct Remarks {
    /// The pictures of its folder that are passed over.
    pub skipped: Skipped,
    /// Columns of a file whose values come again and again, as whole numbers, zeros and constants do, and were not dequantised.
    /// The law of such points has no density, so that a likelihood of it has no lower bound and means nothing.
    pub atoms: Vec<usize>,
    /// The parts that a file gives, and does not leave to chance, whose law is plainly not that of its training points.
    pub shifts: Vec<Shift>,
    /// Arrays of its file that more bytes follow, as those that are saved one after the other: the first alone is read.
    pub followed: Vec<String>,
    /// Classes of its condition that no training point has.
    pub classes_without_points: Vec<i64>,
    /// What is worth knowing of its condition, in words.
    pub condition: Vec<String>,
}

impl Remarks {
    pub(crate) fn of_file(dequantise: bool, look: &Look) -> Self {
        let without_density = |column: &&Column| column.atoms && !(dequantise && column.whole);
        let atoms = look.columns.iter().filter(without_density).map(|column| column.index).collect();
        Self { atoms, ..Self::default() }
    }

    pub(crate) fn with_condition(self, condition: &Condition) -> Self {
        let (classes, remarks) = (condition.without_points.clone(), condition.remarks.clone());
        Self { classes_without_points: classes, condition: remarks, ..self }
    }

    /// With a look at the parts that are given.
    pub(crate) fn with_parts(self, splits: &Splits<Tensor>) -> Result<Self, DataError> {
        let given = [Split::Validation, Split::Test];
        let found = given.map(|split| Shift::of(split, &splits.train, splits.get(split)));
        let shifts = found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        Ok(Self { shifts, ..self })
    }
}
