//! Conditions: the classes or vectors that the samples of a batch are generated for.

use crate::Error;
use tch::Tensor;

/// The kind of the condition of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionKind {
    /// One of this many classes: labels (B,), integers from 0.
    Classes(i64),
    /// A vector of this many numbers: (B, n).
    Vector(i64),
}

/// The conditions of the samples of a batch: named tensors with one row for each sample, such as class labels, vectors
/// or images; and the samples for which they are dropped, which are generated without a condition.
///
/// They stay with their samples: from a data set through its coupling, by `Pairs::target_rows`, to the model that is
/// bound to them ([`VelocityField::given`](crate::VelocityField::given)), and through every solver that splits a batch.
///
/// ```
/// use strait_core::Conditions;
/// use tch::Tensor;
/// let conditions = Conditions::of("labels", Tensor::from_slice(&[3i64, 1, 4]))?;
/// let some = conditions.gather(&Tensor::from_slice(&[2i64, 0]))?;
/// assert_eq!(*some.get("labels")?, Tensor::from_slice(&[4i64, 3]));
/// assert_eq!(some.get("caption").unwrap_err().to_string(), "there is no condition `caption` (there are: labels)");
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Conditions {
    rows: Vec<(String, Tensor)>,
    /// (B,) of booleans.
    dropped: Option<Tensor>,
}

impl Conditions {
    /// One tensor, (B, ...).
    ///
    /// # Errors
    /// `Shape` where it has no rows.
    pub fn of(name: impl Into<String>, rows: Tensor) -> Result<Self, Error> {
        Self::new(vec![(name.into(), rows)])
    }

    /// Tensors by name, each (B, ...).
    ///
    /// # Errors
    /// `Shape` for one that has no rows, or another number of them than the first.
    pub fn new(rows: Vec<(String, Tensor)>) -> Result<Self, Error> {
        let count = rows.first().and_then(|(_, first)| first.size().first().copied());
        for (_, tensor) in &rows {
            if tensor.size().first().copied() != count || count.is_none() {
                let expected = count.map_or("(B, ...)".into(), |count| format!("({count}, ...), as the first has"));
                return Err(Error::Shape { what: "rows of a condition", expected, found: tensor.size() });
            }
        }
        Ok(Self { rows, dropped: None })
    }

    /// The same, but dropped for the samples where `dropped`, (B,) of booleans, holds.
    ///
    /// # Errors
    /// `Shape` where it is not one for each sample.
    pub fn dropping(&self, dropped: Tensor) -> Result<Self, Error> {
        if let Some(count) = self.count()
            && dropped.size() != [count]
        {
            let expected = format!("({count},)");
            return Err(Error::Shape { what: "which conditions are dropped", expected, found: dropped.size() });
        }
        Ok(Self { dropped: Some(dropped), ..self.shallow_clone() })
    }

    /// The same, dropped for no sample.
    #[must_use]
    pub fn dropping_none(&self) -> Self {
        Self { dropped: None, ..self.shallow_clone() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many samples they are of; None where there are none.
    pub fn count(&self) -> Option<i64> {
        self.rows.first().map(|(_, first)| first.size()[0])
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// `NoSuchCondition` names it and those that there are.
    pub fn get(&self, name: &str) -> Result<&Tensor, Error> {
        let found = self.rows.iter().find(|(other, _)| other == name);
        found
            .map(|(_, rows)| rows)
            .ok_or_else(|| Error::NoSuchCondition { wanted: name.to_owned(), present: self.names() })
    }

    /// The only tensor, for a model of one condition whatever its name; None where there is none.
    ///
    /// # Errors
    /// `NoSuchCondition` where there are several.
    pub fn only(&self) -> Result<Option<&Tensor>, Error> {
        match &self.rows[..] {
            [] => Ok(None),
            [(_, rows)] => Ok(Some(rows)),
            _ => Err(Error::NoSuchCondition { wanted: "the only one".into(), present: self.names() }),
        }
    }

    /// Tensors with their names, in the order given.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.rows.iter().map(|(name, rows)| (name.as_str(), rows))
    }

    /// For which samples they are dropped, (B,) of booleans; None: for none of them.
    pub fn dropped(&self) -> Option<&Tensor> {
        self.dropped.as_ref()
    }

    /// Refuses those of another number of samples.
    ///
    /// # Errors
    /// `Shape` names both numbers.
    pub fn check(&self, batch: i64) -> Result<(), Error> {
        match self.rows.first() {
            Some((_, first)) if first.size()[0] != batch => {
                let expected = format!("({batch}, ...), one row a sample");
                Err(Error::Shape { what: "rows of a condition", expected, found: first.size() })
            }
            _ => Ok(()),
        }
    }

    /// Those of `length` consecutive samples.
    ///
    /// # Errors
    /// libtorch's, for rows that are not there.
    pub fn part(&self, start: i64, length: i64) -> Result<Self, Error> {
        self.map(|rows| Ok(rows.f_narrow(0, start, length)?))
    }

    /// Those of the samples at some places, (n,) of 64-bit integers.
    ///
    /// # Errors
    /// libtorch's, for rows that are not there.
    pub fn gather(&self, places: &Tensor) -> Result<Self, Error> {
        self.map(|rows| Ok(rows.f_index_select(0, &places.f_to_device(rows.device())?)?))
    }

    /// Those of a batch that stands `copies` times, one after the other.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn repeat(&self, copies: i64) -> Result<Self, Error> {
        self.map(|rows| {
            let times = [vec![copies], vec![1; rows.dim() - 1]].concat();
            Ok(rows.f_repeat(&times)?)
        })
    }

    /// Those of this batch and then those of another, of the same names; what is dropped is not kept.
    ///
    /// # Errors
    /// `NoSuchCondition` for a name that the other lacks; libtorch's, for rows that do not fit.
    pub fn then(&self, other: &Self) -> Result<Self, Error> {
        let both = |(name, rows): (&str, &Tensor)| Ok((name.to_owned(), Tensor::f_cat(&[rows, other.get(name)?], 0)?));
        Self::new(self.named().map(both).collect::<Result<_, Error>>()?)
    }

    /// The same tensors.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let rows = self.rows.iter().map(|(name, rows)| (name.clone(), rows.shallow_clone())).collect();
        Self { rows, dropped: self.dropped.as_ref().map(Tensor::shallow_clone) }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.named().map(|(name, _)| name).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    }

    fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor, Error>) -> Result<Self, Error> {
        let rows = self.rows.iter().map(|(name, rows)| Ok((name.clone(), f(rows)?))).collect::<Result<_, Error>>()?;
        Ok(Self { rows, dropped: self.dropped.as_ref().map(f).transpose()? })
    }
}
