//! How the layers of a flow become the stages of a kernel (`strait_kernels::ChainPaths`).

use crate::conditioner::{Conditioner, TIME_FEATURES, moving_features};
use crate::layer::check_placement;
use crate::{ActNorm, Active, Chain, CouplingLayer, Glow, Permutation, Plu, Transform};
use strait_autodiff::{Jet, Order};
use strait_core::{Bijection, Condition, ConditionJet, Error};
use strait_kernels::{Lower, Stage, lower};
use tch::Tensor;

type Stages = Result<Option<Vec<Stage>>, Error>;

impl Lower for ActNorm {
    fn lower(&self, _: Option<&Tensor>, t: &Tensor) -> Stages {
        linear_stage(self, self.channels(), t)
    }
}

impl Lower for Plu {
    fn lower(&self, _: Option<&Tensor>, t: &Tensor) -> Stages {
        linear_stage(self, self.channels(), t)
    }
}

impl Lower for Permutation {
    fn lower(&self, _: Option<&Tensor>, t: &Tensor) -> Stages {
        linear_stage(self, self.channels(), t)
    }
}

/// Affine couplings of vectors with one hidden layer.
impl Lower for CouplingLayer {
    fn lower(&self, context: Option<&Tensor>, t: &Tensor) -> Stages {
        let Transform::Affine { bound } = self.transform else { return Ok(None) };
        let Some(Network { offset, inner, outer, bias }) = self.conditioner.stage(context, t)? else { return Ok(None) };
        let gate = self.gate.of(&Jet::variable(t, Order::Second)).unwrap_or_else(|| Jet::constant(&t.ones_like()));
        let active = match self.active {
            Active::First => strait_kernels::Active::First,
            Active::Last => strait_kernels::Active::Last,
        };
        Ok(Some(vec![Stage::Coupling { active, offset, inner, outer, bias, gate, bound }]))
    }
}

impl Lower for Chain {
    fn lower(&self, context: Option<&Tensor>, t: &Tensor) -> Stages {
        let mut all = vec![];
        for layer in &self.layers {
            let Some(stages) = lower(layer, context, t)? else { return Ok(None) };
            all.extend(stages);
        }
        Ok(Some(all))
    }
}

impl Lower for Glow {
    fn lower(&self, context: Option<&Tensor>, t: &Tensor) -> Stages {
        lower(&self.chain, context, t)
    }
}

/// The one stage of a map of vectors that is linear but for a shift, from where it takes the corners of the unit simplex.
fn linear_stage(map: &impl Bijection, d: i64, t: &Tensor) -> Stages {
    let (times, options) = (t.size()[0], (t.kind(), t.device()));
    let corners = Tensor::cat(&[Tensor::zeros([1, d], options), Tensor::eye(d, options)], 0);
    let x = corners.repeat([times, 1]);
    let time = t.unsqueeze(1).expand([times, d + 1], false).reshape([-1]);
    let Some(y) =
        map.push(&Jet::constant(&x), ConditionJet { context: None, t: &Jet::variable(&time, Order::Second) })?
    else {
        return Ok(None);
    };
    let origin = |y: &Tensor| y.view([times, d + 1, d]).select(1, 0);
    let columns = |y: &Tensor| (y.view([times, d + 1, d]).narrow(1, 1, d) - origin(y).unsqueeze(1)).mt();
    let back = map.inverse(&x, Condition { context: None, t: Some(&time) })?;
    let (inverse, log_det) = (columns(&back.value), back.log_det.view([times, d + 1]).select(1, 0));
    Ok(Some(vec![Stage::Linear { matrix: y.view(columns), inverse, log_det, shift: y.view(origin) }]))
}

/// A network of one hidden layer at some times for some contexts, as [`Stage::Coupling`] has it.
struct Network {
    offset: Jet,
    inner: Tensor,
    outer: Tensor,
    bias: Tensor,
}

impl Conditioner {
    /// The network in the parts of a coupling's stage, at times (T,) for contexts (K, n); None for images, and for another
    /// number of hidden layers than one.
    fn stage(&self, context: Option<&Tensor>, t: &Tensor) -> Result<Option<Network>, Error> {
        let [(first, shift), (outer, bias)] = &self.layers[..] else { return Ok(None) };
        if self.image || self.nothing {
            return Ok(None);
        }
        let (times, hidden) = (t.size()[0], first.size()[0]);
        let width = self.context().first().copied().unwrap_or(0);
        let time = if self.sees_time { TIME_FEATURES } else { 0 };
        let seen = first.size()[1] - width - time;
        let columns = |from: i64, count: i64| first.narrow(1, from, count);
        // Without a context it is the same for all endpoints, of which there are as many all the same.
        let endpoints = context.and_then(|context| context.size().first().copied()).unwrap_or(1);
        let mut still = shift.expand([endpoints, hidden], false);
        if width > 0 {
            let context = Condition { context, t: None }.need_context("a coupling")?;
            if context.dim() != 2 || context.size()[1] != width {
                let expected = format!("(K, {width})");
                return Err(Error::Shape { what: "context", expected, found: context.size() });
            }
            check_placement("context", context, first)?;
            still = context.linear(&columns(seen, width), Some(shift));
        }
        let whole = [times, endpoints, hidden];
        let spread = |x: &Tensor, axis: i64| x.unsqueeze(axis).expand(whole, false);
        let mut offset = Jet::constant(&spread(&still, 0));
        if time > 0 {
            check_placement("t", t, first)?;
            let [column, waves] = moving_features(&Jet::variable(t, Order::Second));
            let weight = columns(seen + width, time);
            let features = column.zip(&waves, |a, b| Tensor::cat(&[a, b], 1));
            offset = offset.plus(&features.view(|x| spread(&x.linear(&weight, None::<&Tensor>), 1)));
        }
        Ok(Some(Network {
            offset: offset.view(|x| x.reshape([-1, hidden])),
            inner: columns(0, seen),
            outer: outer.shallow_clone(),
            bias: bias.shallow_clone(),
        }))
    }
}
