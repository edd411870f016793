//! Trainable tensors under stable names, and the buffers of modules.

use crate::training_mode::Training;
use crate::{Draws, Error, Seed, TrainingMode};
use tch::{Device, Kind, Tensor, nn};

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

/// How a tensor starts, and starts over.
#[derive(Debug)]
enum Start {
    /// Drawn from the seed and its name.
    Drawn(Init),
    /// With the value that it was adopted with.
    Adopted(Tensor),
}

/// The trainable tensors of one level, in the order of creation, each under a stable dotted name; and the buffers of
/// adopted modules, which no optimizer changes (the running mean of a batch norm).
///
/// A tensor's initial value depends on the seed and on its name only; that of an adopted tensor comes from its module.
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
    starts: Vec<Start>,
    /// Each with its name and the value that it was adopted with.
    buffers: Vec<(String, Tensor, Tensor)>,
    mode: TrainingMode,
    seed: Seed,
    kind: Kind,
    device: Device,
}

/// A node in the tree of names, in which tensors are created.
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
        let mode = TrainingMode::default();
        Self { names: vec![], tensors: vec![], starts: vec![], buffers: vec![], mode, seed, kind, device }
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

    /// The buffers with their names, detached.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        self.buffers.iter().map(|(name, buffer, _)| (name.clone(), buffer.detach())).collect()
    }

    /// Whether modules are to behave as in training (dropout, batch norm). A module that does keeps a copy, which sees
    /// every change.
    pub fn mode(&self) -> &TrainingMode {
        &self.mode
    }

    /// Modules behave as in training until what is given back is dropped. What they draw from libtorch's own generator
    /// (dropout) is then a function of `draws`; nothing else here draws from that. The generator is one for all threads.
    pub fn train(&self, draws: Draws) -> Training {
        self.mode.train(draws)
    }

    /// Moves tensors and buffers to a device, in place: every holder of one of them sees the change.
    ///
    /// # Errors
    /// libtorch's, where there is no such device or its memory runs out.
    pub fn move_to(&mut self, device: Device) -> Result<(), Error> {
        let buffers = self.buffers.iter().map(|(_, buffer, _)| buffer);
        for tensor in self.tensors.iter().chain(buffers) {
            tensor.shallow_clone().f_set_data(&tensor.f_detach()?.f_to(device)?)?;
        }
        self.device = device;
        Ok(())
    }

    /// Overwrites every tensor's and buffer's value in place from `values`, given by name in any order.
    ///
    /// # Errors
    /// `Parameter` names the first tensor that is missing, has another shape, is not finite, or is unknown here;
    /// nothing is changed then.
    pub fn assign(&self, values: &[(String, Tensor)]) -> Result<(), Error> {
        let problem = |name: &str, problem: String| Error::Parameter { name: name.to_owned(), problem };
        let mut found = Vec::with_capacity(self.tensors.len());
        let own: Vec<(&String, &Tensor)> = self.names.iter().zip(&self.tensors).chain(self.named_buffers()).collect();
        for &(name, tensor) in &own {
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
        if let Some((name, _)) = values.iter().find(|(n, _)| !own.iter().any(|(name, _)| *name == n)) {
            return Err(problem(name, "in the file, but this model has no such tensor".into()));
        }
        tch::no_grad(|| {
            for ((_, tensor), value) in own.iter().zip(found) {
                tensor.shallow_clone().f_copy_(value)?;
            }
            Ok(())
        })
    }

    /// Initialises every tensor again, in place, as in a set made from `seed`; an adopted tensor gets back the value
    /// with which it was adopted.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn reset(&self, seed: Seed) -> Result<(), Error> {
        for ((name, tensor), start) in self.names.iter().zip(&self.tensors).zip(&self.starts) {
            let value = match start {
                Start::Drawn(init) => init.fill(name, &tensor.size(), seed, self.kind, self.device)?,
                Start::Adopted(value) => value.shallow_clone(),
            };
            tch::no_grad(|| tensor.shallow_clone().f_copy_(&value))?;
        }
        for (_, buffer, value) in &self.buffers {
            tch::no_grad(|| buffer.shallow_clone().f_copy_(value))?;
        }
        Ok(())
    }

    /// The tensors and then the buffers with their names, detached: what a checkpoint stores.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let tensors = self.names.iter().zip(&self.tensors);
        tensors.chain(self.named_buffers()).map(|(name, tensor)| (name.clone(), tensor.detach())).collect()
    }

    fn named_buffers(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.buffers.iter().map(|(name, buffer, _)| (name, buffer))
    }

    fn is_taken(&self, name: &str) -> bool {
        self.names.iter().chain(self.buffers.iter().map(|(name, ..)| name)).any(|taken| taken == name)
    }
}

impl Scope<'_> {
    /// The place below this one called `name`.
    pub fn sub(&mut self, name: &str) -> Scope<'_> {
        Scope { prefix: format!("{}{name}.", self.prefix), parameters: self.parameters }
    }

    /// This place, lent out.
    pub fn here(&mut self) -> Scope<'_> {
        Scope { prefix: self.prefix.clone(), parameters: self.parameters }
    }

    /// The trainable tensors that were made here and below.
    ///
    /// ```
    /// use strait_core::{Init, Parameters, Seed};
    /// use tch::{Device, Kind};
    /// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    /// let mut root = parameters.root();
    /// root.sub("first").tensor("weight", &[2, 3], Init::Constant(0.0))?;
    /// root.sub("second").tensor("weight", &[3, 1], Init::Constant(0.0))?;
    /// assert_eq!(root.sub("second").tensors()[0].size(), [3, 1]);
    /// assert_eq!(root.tensors().len(), 2);
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    pub fn tensors(&self) -> Vec<Tensor> {
        let Parameters { names, tensors, .. } = &*self.parameters;
        let here = names.iter().zip(tensors).filter(|(name, _)| name.starts_with(&self.prefix));
        here.map(|(_, tensor)| tensor.shallow_clone()).collect()
    }

    /// Its dotted name, empty at the root.
    pub fn path(&self) -> &str {
        self.prefix.strip_suffix('.').unwrap_or_default()
    }

    /// A new trainable tensor.
    ///
    /// # Errors
    /// `Parameter` when the name is taken; libtorch's when memory runs out.
    pub fn tensor(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, Error> {
        let name = format!("{}{name}", self.prefix);
        if self.parameters.is_taken(&name) {
            return Err(Error::Parameter { name, problem: "made twice".into() });
        }
        let (kind, device) = (self.parameters.kind, self.parameters.device);
        let tensor = init.fill(&name, shape, self.parameters.seed, kind, device)?.f_set_requires_grad(true)?;
        self.parameters.names.push(name);
        self.parameters.starts.push(Start::Drawn(init));
        self.parameters.tensors.push(tensor.shallow_clone());
        Ok(tensor)
    }

    /// Adopts the variables of a module of tch's own, under the names that the store gives them: trainable ones become
    /// tensors here, the others buffers. They remain shared with the module, which sees each step, and take the element
    /// kind and the device of this set.
    ///
    /// The store itself should not load, freeze or move them afterwards. Its initial values come from libtorch's own
    /// generator: call `tch::manual_seed` before the module is made.
    ///
    /// ```
    /// use strait_core::{Parameters, Seed};
    /// use tch::nn::{self, Module, ModuleT};
    /// use tch::{Device, Kind, Tensor};
    /// tch::manual_seed(0);
    /// let store = nn::VarStore::new(Device::Cpu);
    /// let linear = nn::linear(store.root() / "layer", 2, 3, Default::default());
    /// let norm = nn::batch_norm1d(store.root() / "norm", 3, Default::default());
    /// let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    /// parameters.root().sub("net").adopt(&store)?;
    /// let names: Vec<&str> = parameters.names().collect();
    /// assert_eq!(names, ["net.layer.bias", "net.layer.weight", "net.norm.bias", "net.norm.weight"]);
    /// assert_eq!(parameters.buffers()[0].0, "net.norm.running_mean");
    /// let mode = parameters.mode().clone(); // the module asks it in every call
    /// let x = Tensor::ones([4, 2], (Kind::Double, Device::Cpu));
    /// let y = norm.forward_t(&linear.forward(&x), mode.is_training());
    /// assert_eq!(y.size(), [4, 3]);
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Parameter` when a name is taken, nothing being adopted then; libtorch's when memory runs out.
    pub fn adopt(&mut self, store: &nn::VarStore) -> Result<(), Error> {
        let mut variables: Vec<(String, Tensor)> =
            store.variables().into_iter().map(|(name, tensor)| (format!("{}{name}", self.prefix), tensor)).collect();
        variables.sort_by(|(a, _), (b, _)| a.cmp(b)); // the store keeps no order
        if let Some((name, _)) = variables.iter().find(|(name, _)| self.parameters.is_taken(name)) {
            return Err(Error::Parameter { name: name.clone(), problem: "made twice".into() });
        }
        let Parameters { names, tensors, starts, buffers, kind, device, .. } = &mut *self.parameters;
        for (name, mut tensor) in variables {
            let of_kind = if tensor.is_floating_point() { *kind } else { tensor.kind() };
            let value = tensor.f_detach()?.f_to_kind(of_kind)?.f_to(*device)?;
            tensor.f_set_data(&value)?;
            let mut start = value.f_empty_like()?;
            start.f_copy_(&value)?;
            if tensor.requires_grad() {
                names.push(name);
                starts.push(Start::Adopted(start));
                tensors.push(tensor);
            } else {
                buffers.push((name, tensor, start));
            }
        }
        Ok(())
    }

    /// Whether modules are to behave as in training; see [`Parameters::mode`].
    pub fn mode(&self) -> &TrainingMode {
        &self.parameters.mode
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
        let twice = p.root().tensor("a", &[1], Init::Constant(0.0)).unwrap_err();
        assert_eq!(twice.to_string(), "tensor `a`: made twice");
        let store = nn::VarStore::new(Device::Cpu);
        let _ = store.root().zeros_no_train("c", &[2, 3]);
        let _ = store.root().zeros_no_train("d", &[2, 3]);
        let twice = p.root().sub("b").adopt(&store).unwrap_err();
        assert_eq!(twice.to_string(), "tensor `b.c`: made twice");
        assert_eq!(p.named().len(), 2, "nothing was adopted");
        p.root().sub("e").adopt(&store).unwrap();
        assert!(p.root().sub("e").tensor("d", &[1], Init::Constant(0.0)).is_err());
    }
}
