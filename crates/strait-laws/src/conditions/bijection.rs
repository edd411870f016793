use super::law::{Fault, Law, ensure, runs};
use super::rows::{Draw, Samples};
use crate::suite::hold;
use strait_core::{Bijection, Condition, Conditions};
use tch::Tensor;

pub(super) fn laws<B: Bijection>(map: &B, samples: &Samples, draw: &Draw<'_>) -> Result<(), Fault> {
    let Samples { x, t, .. } = samples;
    let of = |conditions: &Conditions, places: &Tensor| {
        let [x, t] = [x, t].map(|x| x.index_select(0, places));
        let own = map.given(conditions).map_err(runs)?;
        let own = own.ok_or_else(|| Fault::new(Law::Sees, "the map is one under all conditions"))?;
        let condition = Condition { context: None, t: Some(&t) };
        let image = own.forward(&x, condition).map_err(runs)?;
        let back = own.inverse(&image.value, condition).map_err(runs)?;
        hold(Law::RoundTrip, "x by the inverse", &back.value, &x, 1e-7)?;
        hold(Law::RoundTrip, "the log-determinant of the inverse", &back.log_det, &-&image.log_det, 1e-7)?;
        Ok(vec![image.value, image.log_det])
    };
    let whole = samples.laws("an image", draw, &of)?;
    ensure(whole[0].size() == x.size(), Law::Shape, format!("{:?}", whole[0].size()))?;
    let alone = Condition { context: None, t: Some(t) };
    ensure(map.forward(x, alone).is_err(), Law::Without, "the map has an image without conditions")?;
    ensure(map.inverse(x, alone).is_err(), Law::Without, "the map has a preimage without conditions")
}
