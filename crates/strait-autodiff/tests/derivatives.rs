//! Every derivative against finite differences in float64, and against the other modes.

use strait_autodiff::{
    AdamW, AdamWState, AutodiffError, Graph, Jet, Order, clip, gradient, jvp, lerp, normal, time_derivative, uniform,
    vjp,
};
use tch::{Device, Kind, Tensor};

fn draw(seed: u64, shape: &[i64]) -> Tensor {
    normal(seed, 0, shape, Kind::Double, Device::Cpu).unwrap()
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

type Function = (&'static str, fn(&Tensor) -> Tensor);

/// Smooth functions of (B, 4) tensors through the operations that the crates above rely on.
fn functions() -> Vec<Function> {
    fn weight(rows: i64, columns: i64) -> Tensor {
        normal(99, 0, &[rows, columns], Kind::Double, Device::Cpu).unwrap() * 0.5
    }
    vec![
        ("silu mlp", |x| x.linear(&weight(8, 4), None::<&Tensor>).silu().linear(&weight(4, 8), None::<&Tensor>)),
        ("gelu", |x| x.gelu("none")),
        ("selu", |x| (x * 0.5 + 2.0).selu()),
        ("tanh and softplus", |x| x.tanh() * x.softplus()),
        ("sin, exp, pow", |x| x.sin() * (x * 0.3).exp() + x.square().pow_tensor_scalar(1.5)),
        ("softmax by hand", |x| {
            let e = (x - x.amax([-1i64].as_slice(), true).detach()).exp();
            &e / e.sum_dim_intlist([-1i64].as_slice(), true, Kind::Double)
        }),
        ("matrix exponential", |x| (x.unsqueeze(2) * x.unsqueeze(1) * 0.1).matrix_exp().flatten(1, -1)),
        ("triangular solve", |x| {
            let l = (x.unsqueeze(2) * x.unsqueeze(1) * 0.2).tril(-1) + Tensor::eye(4, (Kind::Double, Device::Cpu));
            l.linalg_solve_triangular(&x.unsqueeze(2), false, true, true).flatten(1, -1)
        }),
        ("group norm", |x| x.unsqueeze(2).group_norm(2, None::<&Tensor>, None::<&Tensor>, 1e-5, false).flatten(1, -1)),
    ]
}

#[test]
fn forward_mode_equals_central_differences() {
    for (name, f) in functions() {
        let (x, dx) = (draw(1, &[3, 4]), draw(2, &[3, 4]));
        let h = 1e-5;
        let numeric = (f(&(&x + &dx * h)) - f(&(&x - &dx * h))) / (2.0 * h);
        let dual = jvp(|v| Ok::<_, AutodiffError>(vec![f(&v[0])]), &[x.shallow_clone()], &[dx]).unwrap().remove(0);
        assert!(difference(&dual.value, &f(&x)) == 0.0, "{name}: value");
        assert!(difference(&dual.tangent, &numeric) < 1e-8, "{name}: {}", difference(&dual.tangent, &numeric));
    }
}

#[test]
fn forward_and_reverse_agree() {
    for (name, f) in functions() {
        let x = draw(3, &[3, 4]).set_requires_grad(true);
        let y = f(&x);
        let (dx, w) = (draw(4, &[3, 4]), draw(5, &y.size()));
        let forward = jvp(|v| Ok::<_, AutodiffError>(vec![f(&v[0])]), &[x.detach()], &[dx.shallow_clone()]).unwrap();
        let reverse = vjp(&[y], &[w.shallow_clone()], &[x], Graph::Free).unwrap();
        let left = (&forward[0].tangent * &w).sum(Kind::Double).double_value(&[]);
        let right = (&reverse[0] * &dx).sum(Kind::Double).double_value(&[]);
        assert!((left - right).abs() < 1e-10 * (1.0 + left.abs()), "{name}: {left} against {right}");
    }
}

#[test]
fn the_gradient_of_a_tangent_equals_differences() {
    for (name, f) in functions() {
        let (x, dx) = (draw(6, &[2, 4]), draw(7, &[2, 4]));
        let energy = |x: &Tensor| {
            let dual = jvp(|v| Ok::<_, AutodiffError>(vec![f(&v[0])]), &[x.shallow_clone()], &[dx.shallow_clone()]);
            dual.unwrap().remove(0).tangent.square().sum(Kind::Double)
        };
        let leaf = x.copy().set_requires_grad(true);
        let exact = gradient(&energy(&leaf), &[leaf], Graph::Free).unwrap().remove(0);
        let direction = draw(8, &[2, 4]);
        let h = 1e-5;
        let numeric = (energy(&(&x + &direction * h)) - energy(&(&x - &direction * h))).double_value(&[]) / (2.0 * h);
        let along = (&exact * &direction).sum(Kind::Double).double_value(&[]);
        assert!((along - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{name}: {along} against {numeric}");
    }
}

#[test]
fn double_reverse_mode_equals_forward_mode_in_time() {
    let x = draw(9, &[5, 3]);
    let path = |t: &Tensor| (t.unsqueeze(1) * &x).sin() * t.square().unsqueeze(1);
    let t = uniform(1, 0, &[5], Kind::Double, Device::Cpu).unwrap();
    let ones = t.ones_like();
    let forward = jvp(|v| Ok::<_, AutodiffError>(vec![path(&v[0])]), &[t.shallow_clone()], &[ones]).unwrap();
    let leaf = t.set_requires_grad(true);
    let reverse = time_derivative(&path(&leaf), &leaf).unwrap();
    assert!(difference(&forward[0].tangent, &reverse) < 1e-12);
}

#[test]
fn the_second_time_derivative_is_had_from_a_tangent() {
    // y = t^3 x, so y'' = 6 t x.
    let x = draw(10, &[4, 2]);
    let t = uniform(2, 0, &[4], Kind::Double, Device::Cpu).unwrap().set_requires_grad(true);
    let ones = t.ones_like();
    let dual = jvp(
        |v| Ok::<_, AutodiffError>(vec![v[0].pow_tensor_scalar(3).unsqueeze(1) * &x]),
        &[t.shallow_clone()],
        &[ones],
    );
    let second = time_derivative(&dual.unwrap()[0].tangent, &t).unwrap();
    assert!(difference(&second, &(t.unsqueeze(1) * 6.0 * &x)) < 1e-12);
}

#[test]
fn what_does_not_depend_has_zero_derivatives() {
    let x = draw(11, &[2, 2]);
    let c = draw(12, &[2, 2]);
    let dual = jvp(|_| Ok::<_, AutodiffError>(vec![c.shallow_clone()]), &[x.shallow_clone()], &[x.ones_like()]);
    assert_eq!(dual.unwrap()[0].tangent, x.zeros_like());
    let (a, b) = (draw(13, &[2]).set_requires_grad(true), draw(14, &[2]).set_requires_grad(true));
    let y = &a * 2.0;
    let g = vjp(&[y.shallow_clone()], &[y.ones_like()], &[a, b.shallow_clone()], Graph::Free).unwrap();
    assert_eq!(g[1], b.zeros_like());
}

/// Its forward derivative is missing in libtorch.
fn without_forward_derivative(x: &Tensor) -> Tensor {
    Tensor::cdist(x, &(x + 1.0), 2.0, None)
}

#[test]
fn an_operation_without_a_forward_derivative_is_named() {
    let x = draw(15, &[3, 2]);
    let run = |x: &Tensor| {
        jvp(|v| Ok::<_, AutodiffError>(vec![without_forward_derivative(&v[0])]), &[x.shallow_clone()], &[x.ones_like()])
    };
    match run(&x) {
        Err(AutodiffError::NoForwardDerivative { operation }) => assert!(operation.contains("cdist"), "{operation}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dual_level_is_released_on_panic_and_on_error() {
    let x = draw(16, &[2]);
    let ones = || x.ones_like();
    for _ in 0..3 {
        let panicked = std::panic::catch_unwind(|| {
            jvp(|_| -> Result<Vec<Tensor>, AutodiffError> { panic!("a user's panic") }, &[x.shallow_clone()], &[ones()])
        });
        assert_eq!(*panicked.unwrap_err().downcast_ref::<&str>().unwrap(), "a user's panic");
        let refused = jvp(|_| Err(AutodiffError::Nested), &[x.shallow_clone()], &[ones()]);
        assert!(refused.is_err());
    }
    // Were a level still held, libtorch would refuse this one as nested.
    let dual = jvp(|v| Ok::<_, AutodiffError>(vec![&v[0] * 3.0]), &[x.shallow_clone()], &[ones()]).unwrap();
    assert_eq!(dual[0].tangent, ones() * 3.0);
}

#[test]
fn nesting_is_refused_and_threads_are_not() {
    let x = draw(17, &[2]);
    let inner = |v: &Tensor| jvp(|w| Ok::<_, AutodiffError>(vec![w[0].sin()]), &[v.shallow_clone()], &[v.ones_like()]);
    let nested =
        jvp(|v| Ok::<_, AutodiffError>(vec![inner(&v[0])?.remove(0).tangent]), &[x.shallow_clone()], &[x.ones_like()]);
    assert!(matches!(nested, Err(AutodiffError::Nested)));
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                for round in 0..50 {
                    let x = draw(seed * 100 + round, &[8]);
                    let dual =
                        jvp(|v| Ok::<_, AutodiffError>(vec![v[0].sin().exp()]), &[x.shallow_clone()], &[x.ones_like()]);
                    let expected = x.sin().exp() * x.cos();
                    assert!(difference(&dual.unwrap()[0].tangent, &expected) < 1e-12);
                }
            });
        }
    });
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let x = draw(18, &[2]);
    let wrong = jvp(|v| Ok::<_, AutodiffError>(vec![v[0].sin()]), &[x.shallow_clone()], &[draw(1, &[3])]);
    assert_eq!(wrong.unwrap_err().to_string(), "tangent number 0 has shape [3], expected [2]");
    let wrong = vjp(&[x.shallow_clone()], &[], &[], Graph::Free);
    assert_eq!(wrong.unwrap_err().to_string(), "outputs against cotangents: 1 against 0 tensors");
}

/// AdamW as its paper writes it, in float64 on the host.
fn reference(p: &mut [f64], g: &[f64], m: &mut [f64], v: &mut [f64], k: i32, h: &AdamW) {
    let (b1, b2) = h.betas;
    for i in 0..p.len() {
        m[i] = b1 * m[i] + (1.0 - b1) * g[i];
        v[i] = b2 * v[i] + (1.0 - b2) * g[i] * g[i];
        let (mean, var) = (m[i] / (1.0 - b1.powi(k)), v[i] / (1.0 - b2.powi(k)));
        p[i] -= h.lr * h.weight_decay * p[i] + h.lr * mean / (var.sqrt() + h.eps);
    }
}

#[test]
fn adamw_follows_its_equations_and_skips_what_is_not_finite() {
    let hyper = AdamW { lr: 0.01, betas: (0.9, 0.99), weight_decay: 0.1, eps: 1e-8 };
    let params = [draw(20, &[7]), draw(21, &[2, 3])];
    let mut state = AdamWState::new(&params).unwrap();
    let host = |t: &Tensor| Vec::<f64>::try_from(t.flatten(0, -1)).unwrap();
    let mut p: Vec<f64> = params.iter().flat_map(&host).collect();
    let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
    for k in 1..=20 {
        let grads = [draw(100 + k, &[7]), draw(200 + k, &[2, 3])];
        let norm = grads.iter().map(|g| g.square().sum(Kind::Double).double_value(&[])).sum::<f64>().sqrt();
        let clipped = clip(&grads, 1.0).unwrap();
        assert!((clipped.norm.double_value(&[]) - norm).abs() < 1e-12);
        let g: Vec<f64> = grads.iter().flat_map(&host).map(|g| g / f64::from(norm as f32).max(1.0)).collect();
        hyper.step(&params, &grads, &mut state, Some(&clipped)).unwrap();
        reference(&mut p, &g, &mut m, &mut v, k as i32, &hyper);
        if k == 10 {
            let before: Vec<f64> = params.iter().flat_map(&host).collect();
            let bad = [draw(1, &[7]) * f64::NAN, draw(2, &[2, 3])];
            let found = clip(&bad, 1.0).unwrap();
            hyper.step(&params, &bad, &mut state, Some(&found)).unwrap();
            assert_eq!(found.found_inf.double_value(&[]), 1.0);
            assert_eq!(before, params.iter().flat_map(&host).collect::<Vec<_>>());
        }
    }
    let ours: Vec<f64> = params.iter().flat_map(&host).collect();
    for (a, b) in ours.iter().zip(&p) {
        assert!((a - b).abs() < 1e-6, "{a} against {b}");
    }
    assert_eq!(state.step.double_value(&[]), 20.0);
}

/// One that libtorch's engine is not started for, beside a longer one that it is: shapes, sums over edges, what is not reached,
/// what is kept.
#[test]
fn a_graph_of_one_node_is_pulled_back_as_any_other() {
    let leaf = |seed: u64, shape: &[i64]| draw(seed, shape).set_requires_grad(true);
    let (a, b, c) = (leaf(40, &[3]), leaf(41, &[2, 3]), leaf(42, &[2]));
    let inputs = || [&a, &b, &c].map(Tensor::shallow_clone);
    let w = draw(43, &[2, 3]);
    let cases: [(Tensor, Tensor); 3] = [
        (&a * &b, (&a + 0.0) * (&b + 0.0)), // broadcast: summed over rows for a
        (&b * &b, (&b + 0.0) * (&b + 0.0)), // two edges to one leaf
        (b.expand([2, 3], false) * 2.0, (&b + 0.0) * (&b * 0.0 + 2.0)),
    ];
    for (i, (one, longer)) in cases.iter().enumerate() {
        let of = |y: &Tensor, graph| vjp(&[y.shallow_clone()], &[w.shallow_clone()], &inputs(), graph);
        let wanted = of(longer, Graph::Free).unwrap();
        for graph in [Graph::Keep, Graph::Record, Graph::Free] {
            let found = of(one, graph).unwrap();
            assert!(found.iter().zip(&wanted).all(|(a, b)| a.size() == b.size() && difference(a, b) < 1e-15), "{i}");
            assert!(graph == Graph::Record || found.iter().all(|g| !g.requires_grad()), "{i}");
        }
        let freed = of(one, Graph::Free);
        assert!(i == 2 || freed.is_err(), "{i}");
    }
    // The output itself, and an input that is none.
    let y = &a * &a;
    let own = vjp(&[y.shallow_clone()], &[w.get(0)], &[y.shallow_clone()], Graph::Keep).unwrap();
    assert_eq!(own[0], w.get(0));
    assert!(vjp(&[y], &[w.get(0)], &[draw(44, &[3])], Graph::Keep).is_err());
    let loss = a.sum(Kind::Double);
    assert_eq!(gradient(&loss, &[a.shallow_clone()], Graph::Free).unwrap()[0], a.ones_like());
}

#[test]
fn lerp_moves_averages() {
    let turned = |x: Tensor| x.tr().contiguous().tr();
    for weight in [0.25, 0.75, 1.0] {
        for (a, p) in [(draw(30, &[5, 3]), draw(31, &[5, 3])), (draw(30, &[5, 3]), turned(draw(31, &[5, 3])))] {
            let expected = &a * (1.0 - weight) + &p * weight;
            lerp(std::slice::from_ref(&a), &[p], weight).unwrap();
            assert!(difference(&a, &expected) < 1e-12, "{weight}");
        }
    }
}

#[test]
fn jets_equal_forward_mode_and_differences() {
    type Case = (&'static str, fn(&Jet) -> Jet);
    let cases: [Case; 6] = [
        ("exp", |a| a.scale(0.7).exp()),
        ("sin cos", |a| a.sin().times(&a.cos())),
        ("tanh", |a| a.times(a).tanh()),
        ("silu", |a| a.silu().plus(&a.times(a).silu())),
        ("affine", |a| a.map(|x| x * 0.5 + 1.0, |d| d * 0.5).exp()),
        ("matrix", |a| a.bilinear(&a.sin(), |x, y| x.unsqueeze(1).matmul(&y.unsqueeze(0))).view(|x| x.flatten(0, -1))),
    ];
    let t = draw(40, &[6]);
    for (name, f) in cases {
        let second = f(&Jet::variable(&t, Order::Second));
        let first = f(&Jet::variable(&t, Order::First));
        let at = |h: f64| f(&Jet::variable(&(&t + h), Order::Value)).value().shallow_clone();
        let h = 1e-4;
        let numeric = (at(h) - at(-h)) / (2.0 * h);
        let numeric2 = (at(h) - at(0.0) * 2.0 + at(-h)) / (h * h);
        assert_eq!(first.value(), second.value(), "{name}");
        assert!(difference(&first.first(), &second.first()) == 0.0, "{name}");
        assert!(difference(&second.first(), &numeric) < 1e-6, "{name}: {}", difference(&second.first(), &numeric));
        assert!(difference(&second.second(), &numeric2) < 1e-5, "{name}: {}", difference(&second.second(), &numeric2));
    }
}

#[test]
fn an_expanded_input_has_a_jvp() {
    let x = Tensor::from_slice(&[3.0f64]).expand([4], false);
    let moved = jvp(|v| Ok::<_, AutodiffError>(vec![v[0].square()]), &[x.shallow_clone()], &[x.ones_like()]).unwrap();
    assert_eq!(Vec::<f64>::try_from(&moved[0].tangent).unwrap(), [6.0; 4]);
}

/// A view of a sum is the same view of its derivatives, also where only a smaller term moves.
#[test]
fn derivatives_have_the_shape_of_their_value() {
    let column = Jet::variable(&draw(1, &[3, 1]), Order::First);
    let sum = column.plus(&Jet::constant(&draw(2, &[3, 4])));
    let (left, right) = sum.unzip(|x| (x.narrow(1, 0, 1), x.narrow(1, 1, 3)));
    assert_eq!((left.first(), right.first()), (draw(1, &[3, 1]).ones_like(), draw(1, &[3, 3]).ones_like()));
    let (slope, bend) = (draw(3, &[1, 4]), draw(4, &[3, 1]));
    let given = Jet::with_derivatives(draw(5, &[3, 4]), slope.shallow_clone(), Some(bend.shallow_clone()));
    let flat = given.view(|x| x.reshape([12]));
    assert_eq!(flat.first(), slope.repeat([3, 1]).view([12]));
    assert_eq!(flat.second(), bend.repeat([1, 4]).view([12]));
}

/// What is combined of a jet with two derivatives and one with one has one; a constant has all.
#[test]
fn a_combination_has_the_lower_order_of_what_moves() {
    let t = draw(6, &[5]);
    let still = Jet::constant(&draw(7, &[5]));
    let of = |order| Jet::variable(&t, order).scale(2.0).exp();
    let (first, second) = (of(Order::First), of(Order::Second));
    type Combination = (&'static str, fn(&Jet, &Jet) -> Jet);
    let combinations: [Combination; 4] = [
        ("sum", |a, b| a.plus(b)),
        ("product", |a, b| a.times(b)),
        ("bilinear", |a, b| a.bilinear(b, |x, y| x * y)),
        ("zip", |a, b| a.zip(b, |x, y| Tensor::cat(&[x, y], 0))),
    ];
    for (name, combine) in combinations {
        for (a, b, order) in [
            (&first, &second, Order::First),
            (&second, &first, Order::First),
            (&of(Order::Value), &second, Order::Value),
            (&second, &of(Order::Value), Order::Value),
            (&second, &second, Order::Second),
            (&still, &first, Order::First),
            (&second, &still, Order::Second),
            (&still, &still, Order::Value),
        ] {
            let found = combine(a, b);
            assert_eq!((found.order(), Jet::order_of([a, b])), (order, order), "{name}");
            // What it has is what both of the second order have; what it has not is zero, as everywhere.
            let full = |x: &Jet| {
                if x.value() == still.value() { still.view(Tensor::shallow_clone) } else { of(Order::Second) }
            };
            let whole = combine(&full(a), &full(b));
            let upto = |d: Tensor, least: Order| if order >= least { d } else { d.zeros_like() };
            assert_eq!(found.value(), whole.value(), "{name}");
            assert_eq!(found.first(), upto(whole.first(), Order::First), "{name} {order:?}");
            assert_eq!(found.second(), upto(whole.second(), Order::Second), "{name} {order:?}");
            // And it stays so in what is made of it.
            assert_eq!(combine(&found, &combine(&second, &second)).order(), Jet::order_of([&found, &second]), "{name}");
        }
    }
    // What was combined of constants is one.
    let sum = still.plus(&still).exp();
    assert_eq!((sum.order(), sum.times(&second).order()), (Order::Value, Order::Second));
}

#[test]
fn kinds_without_a_law_are_refused() {
    for kind in [Kind::Bool, Kind::ComplexFloat, Kind::ComplexDouble] {
        let found = uniform(1, 0, &[3], kind, Device::Cpu);
        assert!(matches!(found, Err(AutodiffError::Kind { kind: of }) if of == kind), "{kind:?}: {found:?}");
    }
    for kind in [Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double] {
        assert_eq!(uniform(1, 0, &[3], kind, Device::Cpu).unwrap().kind(), kind);
    }
}
