use crate::{Group, GroupError};
use strait_core::{Error, Synchronize};
use tch::{Kind, Tensor};

impl Group {
    /// Works on all tensors of a kind laid end to end, and hands each its part.
    fn flat(&self, tensors: &[Tensor], work: impl Fn(&Tensor) -> Result<(), GroupError>) -> Result<Vec<Tensor>, Error> {
        let mut done: Vec<Option<Tensor>> = tensors.iter().map(|_| None).collect();
        while let Some(first) = done.iter().position(Option::is_none) {
            let (kind, device) = (tensors[first].kind(), tensors[first].device());
            let these: Vec<usize> = (first..tensors.len())
                .filter(|&i| done[i].is_none() && (tensors[i].kind(), tensors[i].device()) == (kind, device))
                .collect();
            let parts = these.iter().map(|&i| tensors[i].detach().f_reshape([-1])).collect::<Result<Vec<_>, _>>()?;
            let flat = Tensor::f_cat(&parts, 0)?;
            work(&flat)?;
            let mut at = 0;
            for i in these {
                let count = tensors[i].numel() as i64;
                done[i] = Some(flat.f_narrow(0, at, count)?.f_view(tensors[i].size().as_slice())?);
                at += count;
            }
        }
        Ok(done.into_iter().flatten().collect())
    }
}

impl Synchronize for Group {
    fn rank(&self) -> usize {
        Group::rank(self)
    }

    fn world(&self) -> usize {
        Group::world(self)
    }

    fn mean(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        self.flat(&tensors, |flat| self.average(flat))
    }

    fn sum(&self, numbers: &[f64]) -> Result<Vec<f64>, Error> {
        if numbers.is_empty() {
            return Ok(vec![]);
        }
        let sums = Tensor::from_slice(numbers);
        Group::sum(self, &sums)?;
        Ok(Vec::<f64>::try_from(&sums)?)
    }

    fn spread(&self, tensors: &[Tensor]) -> Result<(), Error> {
        let from_first = self.flat(tensors, |flat| self.broadcast(flat, 0))?;
        for (tensor, value) in tensors.iter().zip(&from_first) {
            tch::no_grad(|| tensor.shallow_clone().f_copy_(value))?;
        }
        Ok(())
    }

    fn check_same(&self, what: &str, digest: [u8; 32]) -> Result<(), Error> {
        let all = self.all_gather(&Tensor::from_slice(&digest))?;
        let all = all.iter().map(|digest| Ok(Vec::<u8>::try_from(digest.to_kind(Kind::Uint8))?));
        let all = all.collect::<Result<Vec<_>, Error>>()?;
        let differing: Vec<usize> = (0..all.len()).filter(|&rank| all[rank] != all[0]).collect();
        if differing.is_empty() {
            return Ok(());
        }
        self.end();
        Err(GroupError::Differs { differing, what: what.to_owned() }.into())
    }
}
