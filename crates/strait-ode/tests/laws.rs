//! Every method under the laws of a stepper, and methods with planted faults that the laws must find.

use strait_core::{Error, Stepper, VelocityField};
use strait_laws::stepper::{Law, check};
use strait_ode::{AdamsBashforth2, RungeKutta};
use tch::Tensor;

#[test]
fn every_rule_keeps_the_laws() {
    check("euler", RungeKutta::euler).unwrap();
    check("midpoint", RungeKutta::midpoint).unwrap();
    check("heun", RungeKutta::heun).unwrap();
    check("ralston", RungeKutta::ralston).unwrap();
    check("rk4", RungeKutta::rk4).unwrap();
    check("ab2", AdamsBashforth2::default).unwrap();
}

/// Heun's rule with something wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Weights,
    Order,
    Count,
    Late,
    OnePerSample,
    Forgets,
    Couples,
    InPlace,
    Broadcasts,
    Fails,
    Forward,
}

struct Faulty {
    fault: Fault,
    steps: usize,
}

impl Stepper for Faulty {
    fn order(&self) -> u32 {
        if self.fault == Fault::Order { 3 } else { 2 }
    }

    fn evaluations(&self, steps: usize) -> usize {
        2 * steps + usize::from(self.fault == Fault::Count)
    }

    fn start(&mut self) {
        if self.fault != Fault::Forgets {
            self.steps = 0;
        }
    }

    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
        if self.fault == Fault::Fails {
            return Err(Error::Time { what: "the rule", t: from, domain: "nowhere" });
        }
        self.steps += 1;
        let fault = self.fault;
        let h = if fault == Fault::Forward { (to - from).abs() } else { to - from };
        let h = if fault == Fault::Forgets && self.steps % 2 == 1 { h * (1.0 - 1e-9) } else { h };
        let mut t = Tensor::full([x.size()[0]], from, (x.kind(), x.device()));
        let copy = |y: Tensor| if fault == Fault::InPlace { y } else { y.copy() };
        let first = copy(field.velocity(x, &t)?);
        if fault != Fault::Broadcasts {
            strait_core::check_same(x, "velocity", &first)?;
        }
        let middle = &*x + &first * h;
        let _ = t.fill_(if fault == Fault::Late { to + h * 0.01 } else { to });
        if fault == Fault::OnePerSample {
            let _ = t.narrow(0, 0, 1).fill_(from + h * (1.0 - 1e-9));
        }
        let second = copy(field.velocity(&middle, &t)?);
        let (a, b) = if fault == Fault::Weights { (0.4, 0.6) } else { (0.5, 0.5) };
        *x += (first * a + second * b) * h;
        if fault == Fault::Couples {
            *x += (&*x - x.mean(x.kind())) * (h * h * h * 1e-3);
        }
        Ok(())
    }
}

#[test]
fn planted_faults_are_named() {
    let law = |fault| check("faulty", || Faulty { fault, steps: 0 }).map_err(|broken| broken.law);
    assert_eq!(law(Fault::None), Ok(()));
    for (fault, named) in [
        (Fault::Weights, Law::Order),
        (Fault::Order, Law::Order),
        (Fault::Forward, Law::Return),
        (Fault::Count, Law::Evaluations),
        (Fault::Late, Law::Times),
        (Fault::OnePerSample, Law::Times),
        (Fault::Forgets, Law::Start),
        (Fault::Couples, Law::BatchSplit),
        (Fault::InPlace, Law::Sharing),
        (Fault::Broadcasts, Law::Shape),
        (Fault::Fails, Law::Runs),
    ] {
        assert_eq!(law(fault), Err(named));
    }
}
