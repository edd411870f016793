use crate::Normalise;
use crate::images::Layout;
use crate::moments::CHUNK;
use crate::normalise::move_to;
use std::sync::Arc;
use strait_core::Error;
use strait_io::npy::Rows;
use tch::{Device, Kind, Tensor};

/// Rows of a file that are read when they are asked for, in the order of a list.
#[derive(Debug, Clone)]
pub(crate) struct OnDisk {
    pub(crate) file: Arc<Rows>,
    pub(crate) rows: Vec<i64>,
    pub(crate) layout: Layout,
}

impl OnDisk {
    pub(crate) fn len(&self) -> i64 {
        self.rows.len() as i64
    }

    /// Rows by their places in the list, of the file's kind.
    pub(crate) fn read(&self, places: &[i64]) -> Result<Tensor, Error> {
        let rows: Vec<i64> = places.iter().map(|&place| self.rows[place as usize]).collect();
        self.layout.load(&self.file.read(&rows).map_err(Error::other)?)
    }
}

/// The points of one split.
#[derive(Debug)]
pub(crate) enum Points {
    /// In the data set's units, on its device.
    Held(Tensor),
    /// In the data's own units.
    OnDisk(OnDisk),
}

impl Points {
    pub(crate) fn len(&self) -> i64 {
        match self {
            Self::Held(x) => x.size()[0],
            Self::OnDisk(x) => x.len(),
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
            Self::OnDisk(x) => {
                let places = Vec::<i64>::try_from(places.f_to_device(Device::Cpu)?)?;
                move_to(&units.apply(&x.read(&places)?.f_to_kind(Kind::Double)?)?, kind, device)
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
