//! Minibatches of a finite set, in epochs.

use std::cell::RefCell;
use strait_core::{Error, Stream};
use tch::{Device, Tensor};

/// Orders of rows: each epoch has one of its own, in which every row stands once.
#[derive(Debug, Default)]
pub(crate) struct Epochs {
    /// The epoch that was used last, of which stream, and its order.
    last: RefCell<Option<(Stream, u64, Tensor)>>,
}

impl Epochs {
    /// The rows of the minibatch of `n` at `step`, n at most `of`; one that an epoch's end cuts short is completed from the
    /// next.
    pub(crate) fn rows(&self, of: i64, n: i64, step: u64, stream: Stream, device: Device) -> Result<Tensor, Error> {
        let position = u128::from(step) * n as u128;
        let (epoch, offset) = ((position / of as u128) as u64, (position % of as u128) as i64);
        let here = n.min(of - offset);
        let rows = self.order(of, epoch, stream, device)?.f_narrow(0, offset, here)?;
        if here == n {
            return Ok(rows);
        }
        let rest = self.order(of, epoch.wrapping_add(1), stream, device)?.f_narrow(0, 0, n - here)?;
        Ok(Tensor::f_cat(&[rows, rest], 0)?)
    }

    fn order(&self, of: i64, epoch: u64, stream: Stream, device: Device) -> Result<Tensor, Error> {
        if let Some((last, at, order)) = &*self.last.borrow()
            && (*last, *at) == (stream, epoch)
        {
            return Ok(order.shallow_clone());
        }
        // On the CPU, so that every device sees the same order.
        let order = stream.stream("epochs").at(epoch).permutation(of, Device::Cpu)?.f_to_device(device)?;
        *self.last.borrow_mut() = Some((stream, epoch, order.shallow_clone()));
        Ok(order)
    }
}
