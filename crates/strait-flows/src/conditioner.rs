//! The network inside a coupling.

use crate::gate::time;
use crate::kernels::{perceptron, silu, silu_jet};
use crate::layer::check_placement;
use crate::{FlowError, Gate};
use strait_autodiff::Jet;
use strait_core::{Condition, ConditionJet, Error, Init, Scope};
use tch::Tensor;

/// What a conditional layer is built for.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The shape of one sample: `[d]`, or `[c, h, w]`.
    pub event: &'a [i64],
    /// The shape of one sample's context: `[]` for none, `[n]`, or for images also `[n, h, w]` of the same h and w.
    pub context: &'a [i64],
    /// How the layer depends on time.
    pub gate: Gate,
    /// The widths of the conditioner's hidden layers.
    pub hidden: &'a [i64],
}

impl Setting<'_> {
    /// Refuses what no layer can be built for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let (event, context) = (self.event, self.context);
        let fault = |setting, list: &[i64], rule| {
            Err::<(), Error>(FlowError::Setting { setting, value: format!("{list:?}"), rule }.into())
        };
        if !matches!(event.len(), 1 | 3) || event.iter().any(|&n| n < 1) {
            return fault("event", event, "one sample is [d] or [c, h, w], each at least 1");
        }
        let fits = match context.len() {
            0 | 1 => true,
            3 => event.len() == 3 && context[1..] == event[1..],
            _ => false,
        };
        if !fits || context.iter().any(|&n| n < 1) {
            return fault("context", context, "a context is [], [n], or for images [n, h, w] of the sample's h and w");
        }
        if self.hidden.iter().any(|&n| n < 1) {
            return fault("hidden", self.hidden, "a layer has at least one unit");
        }
        Ok(())
    }
}

/// A network over `[x_a, context, features of t]`: linear layers for vectors; for images convolutions, 3x3 in the
/// first and last layer and 1x1 between (Kingma and Dhariwal, arXiv 1807.03039). SiLU between layers. The last layer
/// starts at zero, so that a fresh coupling is the identity.
///
/// A vector context of an image and the features of t, $(t, \cos \pi t, \sin \pi t, \cos 2\pi t, \sin 2\pi t)$, are
/// laid out as constant maps. Where nothing at all is seen, the input is the constant 1.
#[derive(Debug)]
pub(crate) struct Conditioner {
    pub(crate) layers: Vec<(Tensor, Tensor)>,
    pub(crate) image: bool,
    pub(crate) sees_time: bool,
    context: Vec<i64>,
    pub(crate) nothing: bool,
}

pub(crate) const TIME_FEATURES: i64 = 5;

impl Conditioner {
    /// With `seen` channels of x, `out` channels of output.
    pub(crate) fn new(scope: &mut Scope<'_>, setting: &Setting<'_>, seen: i64, out: i64) -> Result<Self, Error> {
        setting.check()?;
        let image = setting.event.len() == 3;
        let time = if setting.gate.sees_time() { TIME_FEATURES } else { 0 };
        let width = seen + setting.context.first().unwrap_or(&0) + time;
        let nothing = width == 0;
        let widths: Vec<i64> = [width.max(1)].into_iter().chain(setting.hidden.iter().copied()).chain([out]).collect();
        let last = widths.len() - 2;
        let mut layers = vec![];
        for (i, pair) in widths.windows(2).enumerate() {
            let kernel = if image && (i == 0 || i == last) { 3 } else { 1 };
            let shape = if image { vec![pair[1], pair[0], kernel, kernel] } else { vec![pair[1], pair[0]] };
            let bound = 1.0 / ((pair[0] * kernel * kernel) as f64).sqrt();
            let init = if i == last { Init::Constant(0.0) } else { Init::Uniform(bound) };
            let mut scope = scope.sub(&format!("layer{i}"));
            layers.push((scope.tensor("weight", &shape, init)?, scope.tensor("bias", &[pair[1]], init)?));
        }
        Ok(Self { layers, image, sees_time: setting.gate.sees_time(), context: setting.context.to_vec(), nothing })
    }

    pub(crate) fn parameters(&self) -> Vec<Tensor> {
        self.layers.iter().flat_map(|(w, b)| [w.shallow_clone(), b.shallow_clone()]).collect()
    }

    /// The widths of the hidden layers.
    pub(crate) fn hidden(&self) -> Vec<i64> {
        self.layers[..self.layers.len() - 1].iter().map(|(w, _)| w.size()[0]).collect()
    }

    /// The shape of one sample's context.
    pub(crate) fn context(&self) -> &[i64] {
        &self.context
    }

    /// Its first weight, which stands for the kind and device of all.
    pub(crate) fn weight(&self) -> &Tensor {
        &self.layers[0].0
    }

    pub(crate) fn apply(&self, seen: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        let mut h = self.input(seen, condition)?;
        if self.image {
            // Channels last: convolutions are about a third faster there than in (B, C, H, W).
            h = h.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        }
        for (i, (w, b)) in self.layers.iter().enumerate() {
            if i > 0 {
                h = match silu(&h)? {
                    Some(h) => h,
                    None => h.f_silu()?,
                };
            }
            h = weighed(&h, w, Some(b))?;
        }
        Ok(h)
    }

    /// The jet of the network's outputs, in closed form; None where the network has no input.
    pub(crate) fn push(&self, seen: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        let still = Condition { context: condition.context, t: Some(condition.t.value()) };
        if self.nothing {
            return Ok(None);
        }
        let mut parts = vec![seen.view(Tensor::shallow_clone)];
        if let Some(context) = self.checked_context(seen.value(), still)? {
            parts.push(Jet::constant(&self.spread(context, seen.value())));
        }
        if self.sees_time {
            let _fits = time("a coupling", seen.value(), still)?;
            parts.extend(moving_features(condition.t).map(|of_t| of_t.view(|x| self.spread(x, seen.value()))));
        }
        let order = Jet::order_of([seen, condition.t]);
        let parts: Vec<&Jet> = parts.iter().collect();
        if !self.image
            && let Some(numbers) = perceptron(&parts, &self.layers, order)?
        {
            return Ok(Some(numbers));
        }
        let joined = parts[1..].iter().fold(parts[0].view(Tensor::shallow_clone), |joined, part| {
            joined.zip(part, |a, b| Tensor::cat(&[a, b], 1))
        });
        let layer = |x: &Jet, (w, b): &(Tensor, Tensor)| x.try_map(|x| weighed(x, w, Some(b)), |d| weighed(d, w, None));
        let first = layer(&joined, &self.layers[0])?;
        let curved = |x: &Jet| Ok::<_, Error>(silu_jet(x)?.unwrap_or_else(|| x.silu()));
        self.layers[1..].iter().try_fold(first, |x, next| layer(&curved(&x)?, next)).map(Some)
    }

    fn input(&self, seen: &Tensor, condition: Condition<'_>) -> Result<Tensor, Error> {
        let mut parts = vec![seen.shallow_clone()];
        if let Some(context) = self.checked_context(seen, condition)? {
            parts.push(self.spread(context, seen));
        }
        if self.sees_time {
            let t = time("a coupling", seen, condition)?;
            let angle = t * std::f64::consts::PI;
            let twice = &angle * 2.0;
            let features = Tensor::stack(&[t, &angle.cos(), &angle.sin(), &twice.cos(), &twice.sin()], 1);
            parts.push(self.spread(&features, seen));
        }
        if self.nothing {
            let mut size = seen.size();
            size[1] = 1;
            return Ok(seen.new_ones(size, (seen.kind(), seen.device())));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 1) })
    }

    /// The context, where the network sees one.
    fn checked_context<'a>(&self, seen: &Tensor, condition: Condition<'a>) -> Result<Option<&'a Tensor>, Error> {
        if self.context.is_empty() {
            return Ok(None);
        }
        let context = condition.need_context("a coupling")?;
        let found = context.size();
        let maps = self.context.len() == 1 || found.get(2..) == seen.size().get(2..);
        if found.first() != seen.size().first() || found.get(1..) != Some(&self.context[..]) || !maps {
            let expected = format!("(B, {:?}) with the batch and the maps of x", self.context);
            return Err(Error::Shape { what: "context", expected, found });
        }
        check_placement("context", context, seen)?;
        Ok(Some(context))
    }

    /// A vector (B, n) as constant maps (B, n, H, W) where x has maps.
    fn spread(&self, vector: &Tensor, x: &Tensor) -> Tensor {
        if self.image && vector.dim() == 2 {
            let (size, maps) = (vector.size(), x.size());
            vector.view([size[0], size[1], 1, 1]).expand([size[0], size[1], maps[2], maps[3]], false)
        } else {
            vector.shallow_clone()
        }
    }
}

/// What a layer's weights make of (B, C) or of (B, C, H, W), with the bias where one is given.
fn weighed(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Result<Tensor, Error> {
    Ok(match w.size()[..] {
        // A 1x1 convolution is a linear map of the last axis of (B, H, W, C).
        [out, seen, 1, 1] => x.permute([0, 2, 3, 1]).f_linear(&w.view([out, seen]), b)?.permute([0, 3, 1, 2]),
        [_, _, kernel, _] => {
            let padding = kernel / 2;
            x.f_conv2d(w, b, [1, 1], [padding, padding], [1, 1], 1)?
        }
        _ => x.f_linear(w, b)?,
    })
}

/// The jets of the features of a time, (B, 1) and (B, 4).
pub(crate) fn moving_features(t: &Jet) -> [Jet; 2] {
    let turns = |numbers: [f64; 4]| {
        let pi = (Tensor::from_slice(&numbers) * std::f64::consts::PI).to_kind(t.value().kind());
        pi.to_device(t.value().device())
    };
    let column = t.view(|t| t.unsqueeze(1));
    // cos x = sin(x + pi / 2).
    let angle = column.times(&Jet::constant(&turns([1.0, 1.0, 2.0, 2.0])));
    let ahead = turns([0.5, 0.0, 0.5, 0.0]);
    let waves = angle.map(|x| x + &ahead, Tensor::shallow_clone).sin();
    [column, waves]
}
