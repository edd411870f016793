//! The suite of steppers under faults in the number type.

use strait_core::{Error, Stepper, VelocityField, check_same};
use strait_laws::stepper::{Law, check};
use tch::{Kind, Tensor};

/// Euler's rule.
#[derive(Clone, Copy, PartialEq)]
enum Euler {
    Right,
    /// At times in double precision, whatever the state is in.
    DoubleTimes,
    /// Leaves a state in double precision.
    DoubleState,
}

impl Stepper for Euler {
    fn order(&self) -> u32 {
        1
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps
    }

    fn start(&mut self) {}

    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
        let kind = if *self == Self::DoubleTimes { Kind::Double } else { x.kind() };
        let velocity = field.velocity(x, &Tensor::full([x.size()[0]], from, (kind, x.device())))?;
        check_same(x, "velocity", &velocity)?;
        let step = velocity * (to - from);
        if *self == Self::DoubleState {
            *x = &*x + step.to_kind(Kind::Double);
        } else {
            *x += step;
        }
        Ok(())
    }
}

#[test]
fn double_precision_inside_is_named() {
    check("euler", || Euler::Right).unwrap();
    for fault in [Euler::DoubleTimes, Euler::DoubleState] {
        let broken = check("faulty", || fault).unwrap_err();
        assert_eq!(broken.law, Law::SinglePrecision, "{broken}");
    }
}
