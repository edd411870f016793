use crate::backward::{BackwardRequest, BackwardStep};
use crate::{
    ActNorm, Active, Chain, CouplingLayer, Exponential, FactorOut, FlowError, Gate, Layer, Plu, Setting, Squeezed,
    Transform,
};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Error, Scope, Transformed};
use tch::Tensor;

/// How the steps of a Glow mix their channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelMixing {
    /// [`Plu`].
    #[default]
    Plu,
    /// [`Exponential`].
    Exponential,
}

/// What a [`Glow`] is built from.
///
/// ```
/// use strait_flows::{Plan, Transform};
/// let plan = Plan { steps: 4, hidden: &[32], transform: Transform::spline(), ..Plan::default() };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Steps, at each scale.
    pub steps: usize,
    /// The widths of the hidden layers of each coupling's network.
    pub hidden: &'a [i64],
    /// What couplings do.
    pub transform: Transform,
    /// How channels are mixed.
    pub mixing: ChannelMixing,
    /// The shape of one sample's context: `[]`, `[n]`, or for images also `[n, h, w]` of the image's h and w.
    pub context: &'a [i64],
    /// How every layer depends on time. Under [`Gate::Start`] the whole is the identity at $t = 0$.
    pub gate: Gate,
}

impl Default for Plan<'_> {
    /// Eight steps of affine couplings with two hidden layers of 64, unconditional.
    fn default() -> Self {
        Self {
            steps: 8,
            hidden: &[64, 64],
            transform: Transform::affine(),
            mixing: ChannelMixing::Plu,
            context: &[],
            gate: Gate::Timeless,
        }
    }
}

/// Glow (Kingma and Dhariwal, arXiv 1807.03039), for vectors and for images.
///
/// A step is, from source to data, a coupling, a linear map of the channels, and an ActNorm. For images a scale
/// squeezes, sends half of the channels through the deeper scales, draws the other half around what comes out of
/// them (a coupling of its own), and takes its steps on both; then it unsqueezes. So the shape is the same at both
/// endpoints, each scale's share of the source sits where its pixels are, and a fresh Glow is the identity to the bit.
///
/// ```
/// use strait_core::{Bijection, Condition, Parameters, Seed};
/// use strait_flows::{Gate, Glow, Plan};
/// use tch::{Device, Kind, Tensor};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let plan = Plan { steps: 2, hidden: &[16], context: &[1, 8, 8], gate: Gate::Start, ..Plan::default() };
/// let glow = Glow::image(&mut parameters.root(), [1, 8, 8], 2, &plan)?;
/// let (x, c) = (Tensor::rand([4, 1, 8, 8], (Kind::Float, Device::Cpu)), Tensor::rand([4, 1, 8, 8], (Kind::Float, Device::Cpu)));
/// let t = Tensor::from_slice(&[0.0f32, 0.2, 0.5, 1.0]);
/// let y = glow.forward(&x, Condition { context: Some(&c), t: Some(&t) })?;
/// assert_eq!(y.value, x);
/// assert_eq!(y.log_det.size(), [4]);
/// # Ok::<(), strait_core::Error>(())
/// ```
pub struct Glow {
    pub(crate) chain: Box<dyn Layer + Send>,
}

impl Glow {
    /// For vectors (B, d). Parameters: `step{i}.{coupling, mix, norm}.*`.
    ///
    /// # Errors
    /// `FlowError::Setting` for a plan that makes no layers; `Parameter` when names are taken.
    pub fn vector(scope: &mut Scope<'_>, d: i64, plan: &Plan<'_>) -> Result<Self, Error> {
        let chain = steps(scope, Chain::new(), &[d], plan.context, plan)?;
        Ok(Self { chain: Box::new(chain) })
    }

    /// For images (B, c, h, w), with at least one scale. Parameters: those of a vector's steps under `level{l}`, and
    /// the factored-out half's prior `level{l}.prior.*`.
    ///
    /// # Errors
    /// As `vector`; `FlowError::Setting` too when h or w is not a multiple of 2 to the power of the scales.
    pub fn image(scope: &mut Scope<'_>, event: [i64; 3], scales: u32, plan: &Plan<'_>) -> Result<Self, Error> {
        let block = 2i64.checked_pow(scales).unwrap_or(0);
        if scales == 0 || block == 0 || event[1] % block != 0 || event[2] % block != 0 {
            let value = format!("{scales} for {event:?}");
            let rule = "at least one scale, and sides that halve that many times";
            return Err(FlowError::Setting { setting: "scales", value, rule }.into());
        }
        Ok(Self { chain: scale(scope, 0, scales, event, plan.context, plan)? })
    }
}

/// Half the sides, four times the channels; a vector context stays as it is.
fn halved(shape: &[i64]) -> Vec<i64> {
    match *shape {
        [c, h, w] => vec![4 * c, h / 2, w / 2],
        _ => shape.to_vec(),
    }
}

/// The part of an image's Glow from one scale on, its parameters under the name `level` that checkpoints have.
fn scale(
    scope: &mut Scope<'_>,
    depth: u32,
    scales: u32,
    event: [i64; 3],
    context: &[i64],
    plan: &Plan<'_>,
) -> Result<Box<dyn Layer + Send>, Error> {
    let (event, context) = ([4 * event[0], event[1] / 2, event[2] / 2], halved(context));
    let mut chain = Chain::new();
    if depth + 1 < scales {
        let on = event[0] / 2;
        let deeper = scale(scope, depth + 1, scales, [on, event[1], event[2]], &context, plan)?;
        let setting = Setting { event: &event, context: &context, gate: plan.gate, hidden: plan.hidden };
        let prior = &mut scope.sub(&format!("level{depth}.prior"));
        let prior = CouplingLayer::new(prior, &setting, plan.transform, Active::Last)?;
        chain = chain.then(FactorOut::new(deeper, on)?).then(prior);
    }
    let chain = steps(&mut scope.sub(&format!("level{depth}")), chain, &event, &context, plan)?;
    Ok(Box::new(Squeezed::new(chain)))
}

fn steps(
    scope: &mut Scope<'_>,
    mut chain: Chain,
    event: &[i64],
    context: &[i64],
    plan: &Plan<'_>,
) -> Result<Chain, Error> {
    let setting = Setting { event, context, gate: plan.gate, hidden: plan.hidden };
    for i in 0..plan.steps {
        let mut scope = scope.sub(&format!("step{i}"));
        let active = if i % 2 == 0 { Active::Last } else { Active::First };
        chain = chain.then(CouplingLayer::new(&mut scope.sub("coupling"), &setting, plan.transform, active)?);
        let mix = &mut scope.sub("mix");
        chain = match plan.mixing {
            ChannelMixing::Plu => chain.then(Plu::new(mix, event[0], plan.gate)?),
            ChannelMixing::Exponential => chain.then(Exponential::new(mix, event[0], plan.gate)?),
        };
        chain = chain.then(ActNorm::new(&mut scope.sub("norm"), event[0], plan.gate)?);
    }
    Ok(chain)
}

impl Bijection for Glow {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.chain.forward(x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.chain.inverse(y, condition)
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        self.chain.push(x, condition)
    }

    #[cfg(feature = "kernels")]
    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        strait_kernels::Lowering::answer(question, self)
    }
}

impl Layer for Glow {
    fn parameters(&self) -> Vec<Tensor> {
        self.chain.parameters()
    }

    fn initialise(&self, y: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        self.chain.initialise(y, condition)
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        self.chain.reversible_backward(at)
    }
}

impl fmt::Display for Glow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glow: {}", self.chain)
    }
}
