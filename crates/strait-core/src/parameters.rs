//! Trainable tensors by stable name.

use crate::{Error, Seed};
use tch::{Device, Kind, Tensor};

/// How a fresh tensor is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every entry the same.
    Constant(f64),
    /// Uniform on $[-b, b]$.
    Uniform(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

impl Init {
    fn fill(self, name: &str, shape: &[i64], seed: Seed, kind: Kind, device: Device) -> Result<Tensor, Error> {
        let mut draws = seed.stream(name).at(0);
        Ok(match self {
            Init::Constant(c) => Tensor::f_full(shape, c, (kind, device))?,
            Init::Uniform(b) => draws.uniform(shape, kind, device)? * (2.0 * b) - b,
            Init::Normal(s) => draws.normal(shape, kind, device)? * s,
        })
    }
}

/// The trainable tensors of one level, in the order of their making, each under a stable dotted name.
///
/// A tensor's initial value depends on the seed and on its name only.
///
/// ```
/// use strait_core::{Init, Parameters, Seed};
/// use tch::{Device, Kind};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let w = parameters.root().sub("layer0").tensor("weight", &[3, 2], Init::Uniform(0.5))?;
/// assert!(w.requires_grad());
/// assert_eq!(parameters.names().collect::<Vec<_>>(), ["layer0.weight"]);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Parameters {
    names: Vec<String>,
    tensors: Vec<Tensor>,
    inits: Vec<Init>,
    seed: Seed,
    kind: Kind,
    device: Device,
}

/// A place in the tree of names, where tensors are made.
#[derive(Debug)]
pub struct Scope<'a> {
    parameters: &'a mut Parameters,
    prefix: String,
}

impl Parameters {
    /// An empty set whose tensors will be of this kind, on this device.
    ///
    /// Two models of one seed start as the same model where their tensors have the same names and shapes;
    /// [`Seed::below`] gives each a seed of its own:
    ///
    /// ```
    /// use strait_core::{Error, Init, Parameters, Seed};
    /// use tch::{Device, Kind, Tensor};
    /// let network = |seed: Seed| {
    ///     let mut parameters = Parameters::new(seed, Kind::Float, Device::Cpu);
    ///     parameters.root().sub("layer0").tensor("weight", &[3, 2], Init::Uniform(0.5))
    /// };
    /// let seed = Seed(0);
    /// assert_eq!(network(seed)?, network(seed)?); // one network, twice
    /// assert_ne!(network(seed.below("path"))?, network(seed.below("velocity"))?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(seed: Seed, kind: Kind, device: Device) -> Self {
        Self { names: vec![], tensors: vec![], inits: vec![], seed, kind, device }
    }

    /// The root of the tree of names.
    pub fn root(&mut self) -> Scope<'_> {
        Scope { parameters: self, prefix: String::new() }
    }

    /// The tensors, in the order of their making.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The names, in the same order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// How many numbers there are in all.
    pub fn count(&self) -> usize {
        self.tensors.iter().map(Tensor::numel).sum()
    }

    /// Element kind of the tensors.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where the tensors are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Overwrites every tensor's value in place from `values`, given by name in any order.
    ///
    /// # Errors
    /// `Parameter` names the first tensor that is missing, has another shape, is not finite, or is unknown here;
    /// nothing is changed then.
    pub fn assign(&self, values: &[(String, Tensor)]) -> Result<(), Error> {
        let problem = |name: &str, problem: String| Error::Parameter { name: name.to_owned(), problem };
        let mut found = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in self.names.iter().zip(&self.tensors) {
            let Some((_, value)) = values.iter().find(|(n, _)| n == name) else {
                return Err(problem(name, "missing from the file".into()));
            };
            if value.size() != tensor.size() {
                return Err(problem(name, format!("shape {:?} in the file, {:?} here", value.size(), tensor.size())));
            }
            if value.f_isfinite()?.f_all()?.int64_value(&[]) == 0 {
                return Err(problem(name, "not finite in the file".into()));
            }
            found.push(value);
        }
        if let Some((name, _)) = values.iter().find(|(n, _)| !self.names.contains(n)) {
            return Err(problem(name, "in the file, but this model has no such tensor".into()));
        }
        tch::no_grad(|| {
            for (tensor, value) in self.tensors.iter().zip(found) {
                tensor.shallow_clone().f_copy_(value)?;
            }
            Ok(())
        })
    }

    /// Fills every tensor afresh, in place, as a set made from `seed` would be.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn reset(&self, seed: Seed) -> Result<(), Error> {
        for ((name, tensor), init) in self.names.iter().zip(&self.tensors).zip(&self.inits) {
            let value = init.fill(name, &tensor.size(), seed, self.kind, self.device)?;
            tch::no_grad(|| tensor.shallow_clone().f_copy_(&value))?;
        }
        Ok(())
    }

    /// The tensors with their names, detached: what a checkpoint stores.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.names.iter().cloned().zip(self.tensors.iter().map(Tensor::detach)).collect()
    }
}

impl Scope<'_> {
    /// The place below this one called `name`.
    pub fn sub(&mut self, name: &str) -> Scope<'_> {
        Scope { prefix: format!("{}{name}.", self.prefix), parameters: self.parameters }
    }

    /// A new trainable tensor.
    ///
    /// # Errors
    /// `Parameter` when the name is taken; libtorch's when memory runs out.
    pub fn tensor(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, Error> {
        let name = format!("{}{name}", self.prefix);
        if self.parameters.names.contains(&name) {
            return Err(Error::Parameter { name, problem: "made twice".into() });
        }
        let (kind, device) = (self.parameters.kind, self.parameters.device);
        let tensor = init.fill(&name, shape, self.parameters.seed, kind, device)?.f_set_requires_grad(true)?;
        self.parameters.names.push(name);
        self.parameters.inits.push(init);
        self.parameters.tensors.push(tensor.shallow_clone());
        Ok(tensor)
    }

    /// Element kind of the tensors made here.
    pub fn kind(&self) -> Kind {
        self.parameters.kind
    }

    /// Where the tensors are made.
    pub fn device(&self) -> Device {
        self.parameters.device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Parameters {
        let mut p = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
        let _ = p.root().tensor("a", &[2], Init::Normal(1.0)).unwrap();
        let _ = p.root().sub("b").tensor("c", &[2, 3], Init::Uniform(1.0)).unwrap();
        p
    }

    #[test]
    fn values_depend_on_name_not_order() {
        let mut other = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
        let c = other.root().sub("b").tensor("c", &[2, 3], Init::Uniform(1.0)).unwrap();
        assert_eq!(c, two().tensors()[1]);
    }

    #[test]
    fn assign_names_what_differs_and_changes_nothing() {
        let (p, q) = (two(), two());
        let before: Vec<Tensor> = p.tensors().iter().map(Tensor::copy).collect();
        let mut values = q.named();
        values[0].1 = Tensor::from_slice(&[9.0f32, 9.0]);
        values[1].1 = Tensor::from_slice(&[1.0f32]);
        let message = p.assign(&values).unwrap_err().to_string();
        assert_eq!(message, "tensor `b.c`: shape [1] in the file, [2, 3] here");
        values.truncate(1);
        assert!(p.assign(&values).unwrap_err().to_string().contains("`b.c`: missing"));
        let mut extra = q.named();
        extra.push(("z".into(), Tensor::from(1.0f32)));
        assert!(p.assign(&extra).unwrap_err().to_string().contains("`z`"));
        assert_eq!(before, p.tensors());
    }

    #[test]
    fn reset_is_a_fresh_start() {
        let p = two();
        p.reset(Seed(7)).unwrap();
        assert_ne!(p.tensors(), two().tensors());
        p.reset(Seed(1)).unwrap();
        assert_eq!(p.tensors(), two().tensors());
    }

    #[test]
    fn a_name_is_made_once() {
        let mut p = two();
        assert!(p.root().tensor("a", &[1], Init::Constant(0.0)).is_err());
    }
}
