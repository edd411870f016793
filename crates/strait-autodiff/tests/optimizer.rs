//! The fused kernels against their equations.

use strait_autodiff::{AdamW, AdamWState, AutodiffError, Graph, clip, gradient, normal};
use tch::{Kind, Tensor};

/// Autograd returns the gradient of a convolution's weights in the layout of its input.
#[test]
fn a_step_does_not_depend_on_how_a_gradient_lies_in_memory() -> Result<(), AutodiffError> {
    let draw = |seed| normal(seed, 0, &[4, 3, 3, 3], Kind::Double, tch::Device::Cpu);
    let start = draw(0)?;
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.01, eps: 1e-8 };
    let run = |lay: fn(&Tensor) -> Tensor| {
        let p = [start.copy()];
        let mut state = AdamWState::new(&p)?;
        for seed in 1..4 {
            adam.step(&p, &[lay(&draw(seed)?)], &mut state, None)?;
        }
        let [p] = p;
        Ok::<_, AutodiffError>(p)
    };
    let plain = run(Tensor::shallow_clone)?;
    let channels_last = run(|g| g.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]))?;
    assert_eq!(plain, channels_last);
    assert_ne!(plain, start);
    Ok(())
}

/// Autograd hands out one tensor for both terms of a sum.
#[test]
fn a_gradient_of_two_parameters_is_clipped_once() -> Result<(), AutodiffError> {
    let options = (Kind::Float, tch::Device::Cpu);
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.0, eps: 1e-8 };
    let moments = |grads: [Tensor; 2]| {
        let p = [(); 2].map(|()| Tensor::zeros([5], options));
        let mut state = AdamWState::new(&p)?;
        let clipped = clip(&grads, 0.5)?;
        adam.step(&p, &grads, &mut state, Some(&clipped))?;
        Ok::<_, AutodiffError>(state.exp_avg)
    };
    let g = Tensor::full([5], 3.0, options);
    let apart = moments([g.copy(), g.copy()])?;
    assert_eq!(moments([g.shallow_clone(), g])?, apart);
    assert_eq!(apart[0], apart[1]);
    Ok(())
}

/// What a graph has kept of a parameter is not what it was: a pull-back through it is refused, as after libtorch's own steps.
#[test]
fn a_graph_does_not_outlive_a_step_of_what_it_kept() -> Result<(), AutodiffError> {
    let p = [Tensor::from_slice(&[1.0f32, 2.0]).set_requires_grad(true)];
    let loss = p[0].square().sum(Kind::Float);
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.0, eps: 1e-8 };
    let gradients = gradient(&loss, &p, Graph::Keep)?;
    adam.step(&p, &gradients, &mut AdamWState::new(&p)?, None)?;
    let refused = gradient(&loss, &p, Graph::Free).unwrap_err().to_string();
    assert!(refused.contains("what a gradient needs was written over"), "{refused}");
    Ok(())
}

/// Squares of single precision overflow above 1e19 and vanish below 1e-22.
#[test]
fn a_norm_is_right_where_its_squares_are_not() -> Result<(), AutodiffError> {
    for (entry, n) in [(1e19f64, 128), (1e-25, 128), (3e37, 4), (1e-38, 1), (1.0, 7)] {
        let grads: Vec<_> = (0..n).map(|_| Tensor::full([1], entry, (Kind::Float, tch::Device::Cpu))).collect();
        let clipped = clip(&grads, 0.5)?;
        let (norm, wanted) = (clipped.norm.double_value(&[]), entry * f64::from(n).sqrt());
        assert!((norm - wanted).abs() < 1e-5 * wanted, "{norm} in place of {wanted}");
        assert_eq!(clipped.found_inf.double_value(&[]), 0.0, "{entry}");
        let divided = Tensor::cat(&grads, 0) / &clipped.divisor;
        assert!(divided.norm().double_value(&[]) < 0.5 * (1.0 + 1e-5), "{entry}");
    }
    Ok(())
}

/// An infinity, and without clipping what the second moment cannot hold, change nothing.
#[test]
fn a_step_that_cannot_be_taken_is_skipped() -> Result<(), AutodiffError> {
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.0, eps: 1e-8 };
    let cases = [
        (f64::INFINITY, 1.0, 1.0),
        (f64::NAN, 1.0, 1.0),
        (1e25, 1.0, 0.0),
        (1e25, f64::INFINITY, 1.0),
        (1e10, f64::INFINITY, 0.0),
    ];
    for (entry, max_norm, skipped) in cases {
        let (p, grads) = ([Tensor::from_slice(&[1.0f32])], [Tensor::from_slice(&[entry as f32])]);
        let mut state = AdamWState::new(&p)?;
        let clipped = clip(&grads, max_norm)?;
        assert_eq!(clipped.found_inf.double_value(&[]), skipped, "{entry} clipped to {max_norm}");
        adam.step(&p, &grads, &mut state, Some(&clipped))?;
        assert_eq!(p[0].double_value(&[0]) == 1.0, skipped == 1.0, "{entry} clipped to {max_norm}");
        assert!(state.exp_avg_sq[0].double_value(&[0]).is_finite());
    }
    Ok(())
}

#[test]
fn what_does_not_fit_its_parameter_is_named() -> Result<(), AutodiffError> {
    let of = |n: i64| Tensor::zeros([n], (Kind::Float, tch::Device::Cpu));
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.0, eps: 1e-8 };
    let params = [of(3), of(400)];
    for (wrong, grads, first, second) in [
        ("gradient", [of(3), of(4)], [of(3), of(400)], [of(3), of(400)]),
        ("first moment", [of(3), of(400)], [of(3), of(4)], [of(3), of(400)]),
        ("second moment", [of(3), of(400)], [of(3), of(400)], [of(3), of(4)]),
    ] {
        let (exp_avg, exp_avg_sq) = (first.into(), second.into());
        let mut state = AdamWState { exp_avg, exp_avg_sq, ..AdamWState::new(&params)? };
        match adam.step(&params, &grads, &mut state, None).unwrap_err() {
            AutodiffError::Shape { what, index: 1, expected, found } => {
                assert_eq!((what, expected, found), (wrong, vec![400], vec![4]));
            }
            other => panic!("{other}"),
        }
        assert_eq!(state.step.double_value(&[]), 0.0);
    }
    Ok(())
}

/// The kernel walks memory from a tensor's first entry on, as many as there are.
#[test]
fn what_does_not_fill_its_memory_or_lie_as_its_parameter_is_refused_and_nothing_changes() -> Result<(), AutodiffError> {
    let of = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, tch::Device::Cpu));
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.0, eps: 1e-8 };
    // Each in memory that is wide enough for what the kernel would walk.
    let spread = of(&[400]).narrow(0, 0, 1).expand([400], false);
    let apart = of(&[4, 4]).narrow(1, 0, 2);
    let folded = of(&[40]).as_strided([4, 3], [1, 1], 0);
    let turned = of(&[3, 2]).tr();
    for (what, parameter, first, second, strides) in [
        ("parameter", &spread, of(&[400]), of(&[400]), vec![0]),
        ("parameter", &apart, of(&[4, 2]), of(&[4, 2]), vec![4, 1]),
        ("parameter", &folded, of(&[4, 3]), of(&[4, 3]), vec![1, 1]),
        ("first moment", &turned, of(&[2, 3]), turned.zeros_like(), vec![3, 1]),
        ("second moment", &turned, turned.zeros_like(), of(&[2, 3]), vec![3, 1]),
    ] {
        let params = [of(&[3]), parameter.shallow_clone()];
        let mut state = AdamWState {
            exp_avg: vec![of(&[3]), first],
            exp_avg_sq: vec![of(&[3]), second],
            ..AdamWState::new(&params)?
        };
        let grads = [&params[0], &params[1]].map(|p| Tensor::ones(p.size(), (Kind::Float, tch::Device::Cpu)));
        match adam.step(&params, &grads, &mut state, None) {
            Err(AutodiffError::Strides { what: named, index: 1, found, .. }) => {
                assert_eq!((named, found), (what, strides));
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(state.step.double_value(&[]), 0.0);
        assert_eq!(params[0], of(&[3]));
    }
    Ok(())
}

#[test]
fn a_parameter_in_any_order_that_fills_memory_is_stepped_as_another() -> Result<(), AutodiffError> {
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.01, eps: 1e-8 };
    let values = Tensor::arange(6, (Kind::Float, tch::Device::Cpu)).view([2, 3]);
    let run = |p: Tensor| {
        let p = [p];
        let mut state = AdamWState::new(&p)?;
        for k in 1..4 {
            adam.step(&p, &[&values * f64::from(k) - 2.0], &mut state, None)?;
        }
        let [p] = p;
        Ok::<_, AutodiffError>(p)
    };
    let plain = run(values.copy())?;
    assert_eq!(plain, run(values.tr().contiguous().tr())?);
    // An axis of one entry may have any stride.
    let column = Tensor::zeros([6], (Kind::Float, tch::Device::Cpu)).as_strided([2, 1, 3], [3, 100, 1], 0);
    column.shallow_clone().copy_(&values.unsqueeze(1));
    let p = [column];
    let mut state = AdamWState::new(&p)?;
    for k in 1..4 {
        adam.step(&p, &[(&values * f64::from(k) - 2.0).unsqueeze(1)], &mut state, None)?;
    }
    assert_eq!(p[0].squeeze_dim(1), plain);
    Ok(())
}
