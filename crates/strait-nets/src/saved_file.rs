//! What is the same for all files that hold a velocity made elsewhere.

use crate::NetError;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use strait_core::{Error, Seed, VelocityField, check_batch};
use tch::{Device, Kind, Tensor};

/// Samples that a file is tried on when it is opened.
const TRIED: i64 = 3;

/// Two evaluations of one sample may differ by so much of the largest entry: a batch is summed in another order.
const TOLERANCE: f64 = 1e-4;

/// A file of a velocity of samples of one shape.
#[derive(Debug)]
pub(crate) struct SavedFile {
    path: PathBuf,
    event: Vec<i64>,
}

impl SavedFile {
    pub(crate) fn new(path: &Path, event: &[i64]) -> Self {
        Self { path: path.to_owned(), event: event.to_vec() }
    }

    pub(crate) fn refuse(&self, problem: String) -> Error {
        NetError::Module { path: self.path.clone(), problem }.into()
    }

    /// What the file's function makes of samples of its shape and as many times, where that is a velocity of them.
    pub(crate) fn velocity<E: Display>(
        &self,
        x: &Tensor,
        t: &Tensor,
        function: impl FnOnce() -> Result<Tensor, E>,
    ) -> Result<Tensor, Error> {
        check_batch(x, t)?;
        if x.size()[1..] != self.event {
            return Err(Error::Shape { what: "x", expected: format!("a batch of {:?}", self.event), found: x.size() });
        }
        let v = function().map_err(|error| {
            self.refuse(format!("it does not take (x, t) of {} samples ({})", x.size()[0], first_line(&error)))
        })?;
        if v.size() != x.size() || v.kind() != x.kind() {
            let (gave, of) = ((v.kind(), v.size()), (x.kind(), x.size()));
            return Err(self.refuse(format!("it gave {gave:?} for samples of {of:?}")));
        }
        Ok(v)
    }

    /// Tries the field on samples of its shape: the velocity of one must not depend on how many others there are.
    pub(crate) fn try_out(&self, field: &impl VelocityField, kind: Kind, device: Device) -> Result<(), Error> {
        let shape: Vec<i64> = std::iter::once(TRIED).chain(self.event.iter().copied()).collect();
        let mut draws = Seed(0).stream("torch script").at(0);
        let (x, t) = (draws.normal(&shape, kind, device)?, draws.uniform(&[TRIED], kind, device)?);
        let _no_grad = tch::no_grad_guard();
        let together = field.velocity(&x, &t)?;
        let alone = field.velocity(&x.f_narrow(0, TRIED - 1, 1)?, &t.f_narrow(0, TRIED - 1, 1)?)?;
        let apart = together.f_narrow(0, TRIED - 1, 1)?.f_sub(&alone)?.f_abs()?.f_max()?.f_double_value(&[])?;
        let largest = together.f_abs()?.f_max()?.f_double_value(&[])?;
        if !largest.is_finite() {
            return Err(self.refuse("its velocity of normal samples is not finite".into()));
        }
        if apart > TOLERANCE * largest.max(1.0) {
            let problem =
                format!("the velocity of a sample changes by {apart:.1e} with the number of samples beside it");
            return Err(self.refuse(problem));
        }
        Ok(())
    }
}

/// libtorch's messages go on with where in its source they arose.
pub(crate) fn first_line(error: &impl Display) -> String {
    error.to_string().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
