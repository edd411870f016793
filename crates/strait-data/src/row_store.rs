use crate::Normalise;
use crate::moments::CHUNK;
use crate::normalise::move_to;
use std::fmt::Debug;
use std::sync::Arc;
use strait_core::Error;
use tch::{Device, Kind, Tensor};

/// Rows that are read when they are asked for, from any thread.
pub(crate) trait RowStore: Debug + Send + Sync {
    /// Rows by their numbers, (rows, ...), as they are stored.
    fn read(&self, rows: &[i64]) -> Result<Tensor, Error>;

    /// Whether reading takes so long that it is done ahead, and that statistics are taken of some rows alone.
    fn is_slow(&self) -> bool {
        false
    }
}

/// Some of the rows of a store, in the order of a list.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    rows: Arc<dyn RowStore>,
    list: Arc<[i64]>,
    /// What a stored number is multiplied by to be in the data's own unit.
    unit: f64,
}

impl Stored {
    pub(crate) fn new(rows: Arc<dyn RowStore>, list: &[i64], unit: f64) -> Self {
        Self { rows, list: list.into(), unit }
    }

    pub(crate) fn len(&self) -> i64 {
        self.list.len() as i64
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.rows.is_slow()
    }

    /// Rows by their places in the list, as they are stored. No operation of libtorch but the making of a tensor: on a
    /// thread of its own each would start threads of its own.
    pub(crate) fn read(&self, places: &[i64]) -> Result<Tensor, Error> {
        let rows: Vec<i64> = places.iter().map(|&place| self.list[place as usize]).collect();
        self.rows.read(&rows)
    }

    /// What was read, in the data's own unit and double precision.
    pub(crate) fn in_unit(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = x.f_to_kind(Kind::Double)?;
        Ok(if self.unit == 1.0 { x } else { x.f_mul_scalar(self.unit)? })
    }
}

/// The points of one split.
#[derive(Debug)]
pub(crate) enum Points {
    /// In the data set's units, on its device.
    Held(Tensor),
    /// As their file has them.
    Stored(Stored),
}

impl Points {
    pub(crate) fn len(&self) -> i64 {
        match self {
            Self::Held(x) => x.size()[0],
            Self::Stored(x) => x.len(),
        }
    }

    /// Rows by their places, in the data set's units.
    pub(crate) fn select(
        &self,
        places: &Tensor,
        units: &Normalise,
        kind: Kind,
        device: Device,
    ) -> Result<Tensor, Error> {
        match self {
            Self::Held(x) => Ok(x.f_index_select(0, &places.f_to_device(x.device())?)?),
            Self::Stored(x) => {
                let places = Vec::<i64>::try_from(places.f_to_device(Device::Cpu)?)?;
                let part = |places: &[i64]| move_to(&units.apply(&x.in_unit(&x.read(places)?)?)?, kind, device);
                let parts: Vec<Tensor> = places.chunks(CHUNK as usize).map(part).collect::<Result<_, _>>()?;
                Ok(if parts.len() == 1 { parts[0].shallow_clone() } else { Tensor::f_cat(&parts, 0)? })
            }
        }
    }
}

/// In double precision, some rows at a time.
pub(crate) fn normalised(x: &Tensor, units: &Normalise, kind: Kind, device: Device) -> Result<Tensor, Error> {
    let n = x.size()[0];
    let chunk = |start| -> Result<Tensor, Error> {
        let rows = move_to(&x.f_narrow(0, start, CHUNK.min(n - start))?, Kind::Double, Device::Cpu)?;
        move_to(&units.apply(&rows)?, kind, device)
    };
    let chunks: Vec<Tensor> = (0..n).step_by(CHUNK as usize).map(chunk).collect::<Result<_, _>>()?;
    Ok(Tensor::f_cat(&chunks, 0)?)
}
