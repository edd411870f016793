use crate::perceptron::{Layers, MlpConfig};
use crate::time_network::{TimeNetwork, time_function};
use strait_autodiff::{Jet, Order};
use strait_core::{
    Bound, ConditionKind, Conditional, Conditions, Error, FlowMap, MapBatch, MapIdentity, Scope, SquareError,
    VelocityField, average_velocity_jvp, check_batch, check_times,
};
use tch::Tensor;

/// Times (B,) as a column.
fn column(t: &Jet) -> Jet {
    t.view(|t| t.unsqueeze(1))
}

/// A multilayer perceptron $f(x, t)$ over samples of any shape, flattened.
///
/// As a `VelocityField` its result has the shape of x; as a `TimeFunction` it is (B, output) with exact
/// derivatives in t by Taylor mode. Layers start uniform on $\pm 1/\sqrt{\text{fan in}}$.
///
/// ```
/// use strait_core::{Parameters, Seed, VelocityField};
/// use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
/// use tch::{Device, Kind, Tensor};
/// let config = MlpConfig {
///     input: 2, hidden: vec![64, 64, 64], output: 2,
///     activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: false,
/// };
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let v = Mlp::new(&config, &mut parameters.root())?;
/// let x = Tensor::zeros([5, 2], (Kind::Float, Device::Cpu));
/// let t = Tensor::zeros([5], (Kind::Float, Device::Cpu));
/// assert_eq!(v.velocity(&x, &t)?.size(), [5, 2]);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Mlp {
    layers: Layers,
    config: MlpConfig,
}

impl Mlp {
    /// Makes the layers under `scope`, named `0.weight`, `0.bias`, `1.weight`, ...
    ///
    /// # Errors
    /// `Parameter` where a name is taken; libtorch's when memory runs out.
    pub fn new(config: &MlpConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Ok(Self { layers: Layers::new(config, 1, None, scope)?, config: config.clone() })
    }

    /// One that sees a condition beside the sample, as a vector of its own: of no condition where none is given. Its
    /// parameters are beside those of the layers, under `condition`.
    ///
    /// ```
    /// use strait_core::{ConditionKind, Conditions, Error, Parameters, Seed, VelocityField};
    /// use strait_nets::{Activation, Mlp, MlpConfig, TimeFeatures};
    /// use tch::{Device, Kind, Tensor};
    /// let config = MlpConfig {
    ///     input: 2, hidden: vec![16], output: 2,
    ///     activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: false,
    /// };
    /// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    /// let v = Mlp::conditional(&config, ConditionKind::Classes(3), &mut parameters.root())?;
    /// let (x, t) = (Tensor::zeros([2, 2], (Kind::Float, Device::Cpu)), Tensor::zeros([2], (Kind::Float, Device::Cpu)));
    /// let of = |labels: [i64; 2]| v.given(&Conditions::of("labels", Tensor::from_slice(&labels))?)?.velocity(&x, &t);
    /// assert_ne!(of([0, 2])?, of([1, 2])?);
    /// assert_eq!(of([0, 3]).unwrap_err().to_string(), "label 3 is not one of the 3 classes, 0 to 2");
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As `new`; `Setting` for no classes or an empty vector.
    pub fn conditional(config: &MlpConfig, condition: ConditionKind, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Ok(Self { layers: Layers::new(config, 1, Some(condition), scope)?, config: config.clone() })
    }

    fn parts(&self, x: &Tensor, t: &Tensor, order: Order, conditions: &Conditions) -> Result<Vec<Jet>, Error> {
        check_batch(x, t)?;
        let parts = [Jet::constant(&self.config.flat(x)?), self.config.time.of(&column(&Jet::variable(t, order)))];
        self.layers.beside(parts, conditions)
    }
}

impl Conditional for Mlp {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        self.config.like(x, self.layers.value(&self.parts(x, t, Order::Value, conditions)?)?)
    }
}

impl VelocityField for Mlp {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.velocity_given(x, t, &Conditions::default())
    }

    fn square_error(&self, x: &Tensor, t: &Tensor, target: &Tensor) -> Result<Option<Tensor>, Error> {
        let parts = self.parts(x, t, Order::Value, &Conditions::default())?;
        Ok(self.layers.square_error(&parts, &self.config.target(x, target)?)?.map(|error| error.mean))
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        self.layers.check_conditional()?;
        Ok(Bound::boxed(self, conditions))
    }
}

impl TimeNetwork for Mlp {
    fn check_conditional(&self) -> Result<(), Error> {
        self.layers.check_conditional()
    }

    fn jet_given(&self, context: &Tensor, t: &Tensor, order: Order, conditions: &Conditions) -> Result<Jet, Error> {
        self.layers.jet(&self.parts(context, t, order, conditions)?, order)
    }
}

time_function!(Mlp);

/// A flow map whose average velocity $u(x, s, t)$ is a multilayer perceptron that sees s and t - s; its velocity is the
/// diagonal, $u(x, t, t)$.
///
/// Derivatives in t, and along a direction in x and s, are written out as one jet where the activation is smooth, and taken
/// by a JVP elsewhere.
///
/// ```
/// use strait_core::{FlowMap, Parameters, Seed, VelocityField};
/// use strait_nets::{Activation, MlpConfig, MlpFlowMap, TimeFeatures};
/// use tch::{Device, Kind, Tensor};
/// let config = MlpConfig {
///     input: 2, hidden: vec![64, 64, 64], output: 2,
///     activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: false,
/// };
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let map = MlpFlowMap::new(&config, &mut parameters.root())?;
/// let x = Tensor::ones([5, 2], (Kind::Float, Device::Cpu));
/// let (s, t) = (x.new_zeros([5], (Kind::Float, Device::Cpu)), x.new_ones([5], (Kind::Float, Device::Cpu)));
/// let samples = map.carry(&x, &s, &t)?; // one evaluation, from source to data
/// assert_eq!(samples, &x + map.average_velocity(&x, &s, &t)?);
/// assert_eq!(map.velocity(&x, &t)?, map.average_velocity(&x, &t, &t)?);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct MlpFlowMap {
    layers: Layers,
    config: MlpConfig,
}

impl MlpFlowMap {
    /// Makes the layers under `scope`, named as those of [`Mlp`].
    ///
    /// # Errors
    /// `Shape` where input and output differ; `Parameter` where a name is taken; libtorch's when memory runs out.
    pub fn new(config: &MlpConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Self::make(config, None, scope)
    }

    /// One that sees a condition beside the sample, as [`Mlp::conditional`].
    ///
    /// # Errors
    /// As `new`; `Setting` for no classes or an empty vector.
    pub fn conditional(config: &MlpConfig, condition: ConditionKind, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Self::make(config, Some(condition), scope)
    }

    fn make(config: &MlpConfig, condition: Option<ConditionKind>, scope: &mut Scope<'_>) -> Result<Self, Error> {
        if config.output != config.input {
            let expected = format!("{} numbers, as it sees", config.input);
            return Err(Error::Shape { what: "a flow map's result", expected, found: vec![config.output] });
        }
        Ok(Self { layers: Layers::new(config, 2, condition, scope)?, config: config.clone() })
    }

    fn parts(&self, x: &Jet, s: &Jet, t: &Jet, conditions: &Conditions) -> Result<Vec<Jet>, Error> {
        check_times(x.value(), s.value(), t.value())?;
        let flat = x.try_map(|x| self.config.flat(x), |dx| self.config.flat(dx))?;
        let (s, t) = (column(s), column(t));
        let span = t.minus(&s);
        self.layers.beside([flat, self.config.time.of(&s), self.config.time.of(&span)], conditions)
    }

    /// The written jet; None where the activation has none.
    fn jet(&self, x: &Jet, s: &Jet, t: &Jet, conditions: &Conditions) -> Result<Option<Jet>, Error> {
        if !self.config.activation.is_smooth() {
            return Ok(None);
        }
        let order = Jet::order_of([x, s, t]).min(Order::First);
        let u = self.layers.jet(&self.parts(x, s, t, conditions)?, order)?;
        Ok(Some(if x.value().dim() == 2 { u } else { u.view(|u| u.view_as(x.value())) }))
    }
}

impl Conditional for MlpFlowMap {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        self.average_velocity_given(x, t, t, conditions)
    }

    fn is_flow_map(&self) -> bool {
        true
    }

    fn average_velocity_given(
        &self,
        x: &Tensor,
        s: &Tensor,
        t: &Tensor,
        conditions: &Conditions,
    ) -> Result<Tensor, Error> {
        let parts = self.parts(&Jet::constant(x), &Jet::constant(s), &Jet::constant(t), conditions)?;
        self.config.like(x, self.layers.value(&parts)?)
    }

    fn average_velocity_jet_given(
        &self,
        x: &Jet,
        s: &Jet,
        t: &Jet,
        conditions: &Conditions,
    ) -> Result<Option<Jet>, Error> {
        self.jet(x, s, t, conditions)
    }
}

impl VelocityField for MlpFlowMap {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity(x, t, t)
    }

    fn square_error(&self, x: &Tensor, t: &Tensor, target: &Tensor) -> Result<Option<Tensor>, Error> {
        Ok(self.average_square_error(x, t, t, target)?.map(|error| error.mean))
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        self.layers.check_conditional()?;
        Ok(Bound::boxed(self, conditions))
    }
}

impl FlowMap for MlpFlowMap {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity_given(x, s, t, &Conditions::default())
    }

    fn average_velocity_jet(&self, x: &Jet, s: &Jet, t: &Jet) -> Result<Jet, Error> {
        self.jet(x, s, t, &Conditions::default())?.map_or_else(|| average_velocity_jvp(self, x, s, t), Ok)
    }

    fn average_square_error(
        &self,
        x: &Tensor,
        s: &Tensor,
        t: &Tensor,
        target: &Tensor,
    ) -> Result<Option<SquareError>, Error> {
        let parts = self.parts(&Jet::constant(x), &Jet::constant(s), &Jet::constant(t), &Conditions::default())?;
        self.layers.square_error(&parts, &self.config.target(x, target)?)
    }

    fn identity_error(&self, identity: MapIdentity, batch: &MapBatch<'_>) -> Result<Option<SquareError>, Error> {
        if !self.config.activation.is_smooth() {
            return Ok(None);
        }
        let MapBatch { x, velocity, s, t, off } = *batch;
        let last = |x: &Tensor| Ok::<_, Error>(x.f_narrow(0, x.size()[0] - off, off)?);
        let none = Conditions::default();
        let (first, end) = (Order::First, last(t)?);
        let (parts, at_end) = match identity {
            MapIdentity::MeanFlow => {
                let along = Jet::with_derivatives(x.shallow_clone(), velocity.shallow_clone(), None);
                (self.parts(&along, &Jet::variable(s, first), &Jet::constant(t), &none)?, None)
            }
            MapIdentity::Lagrangian => {
                let at_end = Jet::constant(&end);
                let at_end = self.parts(&Jet::constant(&last(x)?), &at_end, &at_end, &none)?;
                (self.parts(&Jet::constant(x), &Jet::constant(s), &Jet::variable(t, first), &none)?, Some(at_end))
            }
        };
        let span = &end - last(s)?;
        let at_end = at_end.as_ref().map(|parts| parts[1..].iter().map(Jet::value).collect::<Vec<_>>());
        self.layers.identity_error(&parts, &self.config.target(x, velocity)?, &span, at_end.as_deref())
    }
}
