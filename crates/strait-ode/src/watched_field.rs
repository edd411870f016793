//! A field bound to the arguments of its samples. It counts its evaluations and, if asked, looks for non-finite values.

use crate::error::time;
use crate::field_arguments::{Arguments, FieldWithArguments};
use std::cell::Cell;
use strait_core::{Error, FlowMap, VelocityField};
use tch::{Kind, Tensor};

/// The first sample with a value that is not finite, and how many samples have one.
type Bad = (i64, i64);

pub(crate) struct Watch<'a> {
    field: &'a dyn FieldWithArguments,
    /// Of the samples that are carried now.
    arguments: Arguments,
    calls: Cell<usize>,
    check: bool,
    found: Cell<Option<(f64, Bad)>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(field: &'a dyn FieldWithArguments, arguments: Arguments) -> Self {
        Self { field, arguments, calls: Cell::new(0), check: false, found: Cell::new(None) }
    }

    /// One that fails at the first velocity that is not finite, and remembers it.
    pub(crate) fn checking(&self) -> Watch<'a> {
        Watch { check: true, ..Self::new(self.field, self.arguments.shallow_clone()) }
    }

    /// From now on the samples at these places only.
    pub(crate) fn keep(&mut self, places: &Tensor) -> Result<(), Error> {
        self.arguments = self.arguments.gather(places)?;
        Ok(())
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.get()
    }

    /// The time of the first velocity that was not finite, with the sample.
    pub(crate) fn found(&self) -> Option<(f64, Bad)> {
        self.found.get()
    }
}

impl Watch<'_> {
    /// Counts an evaluation at a time, and checks its result.
    fn seen(&self, velocity: Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.calls.set(self.calls.get() + self.field.evaluations());
        if self.check
            && let Some((sample, count)) = first_bad_sample(&velocity)?
        {
            let (t, of) = (t.f_double_value(&[sample])?, velocity.size()[0]);
            self.found.set(Some((t, (sample, count))));
            return Err(Error::NonFinite { what: "velocity", count, of, at: format!(" at t = {}", time(t)) });
        }
        Ok(velocity)
    }
}

impl VelocityField for Watch<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.seen(self.field.velocity_with(x, t, &self.arguments)?, t)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        if self.field.is_flow_map() { Some(self) } else { None }
    }
}

impl FlowMap for Watch<'_> {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.seen(self.field.average_velocity_with(x, s, t, &self.arguments)?, s)
    }
}

/// Looks at every sample of a batch (B, ...); it waits for the device.
pub(crate) fn first_bad_sample(x: &Tensor) -> Result<Option<Bad>, Error> {
    // A sum is finite only if all its terms are, and costs a tenth; a sum that overflowed is looked at below.
    if x.f_sum(x.kind())?.f_isfinite()?.f_int64_value(&[])? != 0 {
        return Ok(None);
    }
    let bad = x.f_isfinite()?.f_logical_not()?.f_flatten(1, -1)?.f_any_dim(1, false)?.f_to_kind(Kind::Int64)?;
    let count = bad.f_sum(Kind::Int64)?.f_int64_value(&[])?;
    if count == 0 { Ok(None) } else { Ok(Some((bad.f_argmax(0, false)?.f_int64_value(&[])?, count))) }
}
