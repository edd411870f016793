use strait_core::{Draws, Error, Split};
use tch::{Device, Tensor};

/// One value for each part of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits<T> {
    /// For training.
    pub train: T,
    /// For choosing settings.
    pub validation: T,
    /// For the numbers that are reported.
    pub test: T,
}

impl<T> Splits<T> {
    /// The value of a split.
    pub fn get(&self, split: Split) -> &T {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }

    pub(crate) fn try_map<U, E>(&self, f: impl Fn(Split, &T) -> Result<U, E>) -> Result<Splits<U>, E> {
        Ok(Splits {
            train: f(Split::Train, &self.train)?,
            validation: f(Split::Validation, &self.validation)?,
            test: f(Split::Test, &self.test)?,
        })
    }
}

impl Splits<Tensor> {
    /// Parts of one array (n, ...): `validation` and `test` rows of it at random, the rest for training.
    pub(crate) fn of(x: &Tensor, validation: i64, test: i64, draws: &mut Draws) -> Result<Self, Error> {
        let n = x.size()[0];
        let order = draws.permutation(n, Device::Cpu)?;
        let part =
            |start, length| -> Result<Tensor, Error> { Ok(x.f_index_select(0, &order.f_narrow(0, start, length)?)?) };
        Ok(Self {
            train: part(validation + test, n - validation - test)?,
            validation: part(0, validation)?,
            test: part(validation, test)?,
        })
    }
}
