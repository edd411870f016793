//! The coupling `MappedOt`, which pairs by the images of a map: right marginals for any map, and the optimum for the images.

use strait_core::{Coupling, Error, Seed};
use strait_laws::coupling::{Marginals, Promise, check};
use strait_transport::{ExactOt, MappedOt};
use tch::{Device, Kind, Tensor};

#[test]
fn any_map_keeps_the_laws_of_a_coupling() {
    let promise = |optimal| Promise { marginals: Marginals::EachRowOnce, optimal };
    check("identity", promise(true), |_| Ok(MappedOt(|x: &Tensor| Ok::<_, Error>(x.shallow_clone())))).unwrap();
    check("a bad map", promise(false), |_| Ok(MappedOt(|x: &Tensor| Ok::<_, Error>(x.sin() * -30.0)))).unwrap();
}

#[test]
fn pairs_are_the_best_for_where_the_map_leads() {
    let normal = |name: &str| Seed(2).stream(name).at(0).normal(&[64, 2], Kind::Double, Device::Cpu).unwrap();
    let (x0, x1) = (normal("x0"), normal("x1"));
    let map = |x: &Tensor| Ok::<_, Error>(x.flip([1]) * -2.0 + 1.0);
    let mut draws = Seed(2).stream("coupling").at(0);
    let pairs = MappedOt(map).couple(x0.copy(), x1.copy(), &mut draws).unwrap();
    let wanted = ExactOt.couple(map(&x0).unwrap(), x1.copy(), &mut draws).unwrap();
    assert_eq!((pairs.x0, pairs.x1, pairs.target_rows), (x0.copy(), wanted.x1, wanted.target_rows));
    let error = MappedOt(|x: &Tensor| Ok::<_, Error>(x.narrow(1, 0, 1))).couple(x0, x1, &mut draws).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "where a map leads", .. }), "{error}");
}
