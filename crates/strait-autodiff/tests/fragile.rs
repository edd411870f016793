//! Gradients of tangents through operations whose second derivatives are wrong in libtorch. They are refused by name;
//! forward over reverse mode is right or refused.

use strait_autodiff::{AutodiffError, Graph, jvp, normal, tangent_gradient, time_derivative, vjp};
use tch::{Device, Kind, Tensor};

fn draw(seed: u64, shape: &[i64]) -> Tensor {
    normal(seed, 0, shape, Kind::Double, Device::Cpu).unwrap()
}

/// Square matrices that are far from singular.
fn matrices(x: &Tensor, w: &Tensor) -> Tensor {
    Tensor::eye(4, (Kind::Double, Device::Cpu)) * 3.0 + x.unsqueeze(2) * w + x.unsqueeze(1).tanh()
}

type Function = fn(&Tensor, &Tensor) -> Tensor;

/// Of x (3, 4) and a weight (4, 4).
const FRAGILE: [(&str, Function); 5] = [
    ("layer_norm", |x, w| x.matmul(w).layer_norm([4], None::<&Tensor>, None::<&Tensor>, 1e-5, false)),
    ("batch_norm", |x, w| {
        let none = None::<&Tensor>;
        x.matmul(w).batch_norm(none, none, none, none, true, 0.1, 1e-5, false)
    }),
    ("det", |x, w| matrices(x, w).det()),
    ("slogdet", |x, w| matrices(x, w).slogdet().1),
    ("linalg_solve", |x, w| Tensor::linalg_solve(&matrices(x, w), &x.unsqueeze(2), true)),
];

/// What is right and stays usable.
const SOUND: [(&str, Function); 3] = [
    ("group_norm", |x, w| x.matmul(w).group_norm(1, None::<&Tensor>, None::<&Tensor>, 1e-5, false)),
    ("inverse", |x, w| matrices(x, w).inverse()),
    ("silu", |x, w| x.matmul(w).silu()),
];

/// The gradient in w of <c, J(x; w) v> by central differences of the tangent.
fn differences(f: Function, x: &Tensor, v: &Tensor, w: &Tensor, c: &Tensor) -> Tensor {
    let h = 1e-5;
    let tangent = |w: &Tensor| {
        let dual = tch::no_grad(|| {
            jvp(|x| Ok::<_, AutodiffError>(vec![f(&x[0], w)]), &[x.shallow_clone()], &[v.shallow_clone()])
        });
        (&dual.unwrap()[0].tangent * c).sum(Kind::Double).double_value(&[])
    };
    let w = w.detach();
    let slopes: Vec<f64> = (0..16)
        .map(|i| {
            let step = Tensor::zeros([16], (Kind::Double, Device::Cpu));
            let _ = step.get(i).fill_(h);
            let step = step.view([4, 4]);
            (tangent(&(&w + &step)) - tangent(&(&w - &step))) / (2.0 * h)
        })
        .collect();
    Tensor::from_slice(&slopes).view([4, 4])
}

#[test]
fn a_gradient_of_a_tangent_is_right_or_refused() {
    let (x, v, w) = (draw(0, &[3, 4]), draw(1, &[3, 4]), draw(2, &[4, 4]).set_requires_grad(true));
    for (fragile, (name, f)) in FRAGILE.map(|f| (true, f)).into_iter().chain(SOUND.map(|f| (false, f))) {
        let c = draw(3, &f(&x, &w).size());
        let exact = differences(f, &x, &v, &w, &c);
        let close =
            |g: &Tensor| (g - &exact).abs().max().double_value(&[]) < 1e-6 * exact.abs().max().double_value(&[]);
        let along = |x: &[Tensor]| Ok::<_, AutodiffError>(vec![f(&x[0], &w)]);
        let (at, to, parameters) = ([x.shallow_clone()], [v.shallow_clone()], [w.shallow_clone()]);
        match tangent_gradient(along, &at, &to, &parameters, &[c.shallow_clone()]) {
            Ok(over) => assert!(close(&over[0]), "{name} by forward over reverse: {} against {exact}", over[0]),
            // The pull-back itself has no forward derivative: a refusal as well.
            Err(AutodiffError::NoForwardDerivative { .. }) => assert!(name.ends_with("_norm"), "{name}"),
            Err(error) => panic!("{name}: {error}"),
        }
        match jvp(along, &at, &to) {
            Ok(mut duals) => {
                assert!(!fragile, "{name} is not refused");
                let g = vjp(&[duals.remove(0).tangent], &[c], &parameters, Graph::Free).unwrap();
                assert!(close(&g[0]), "{name}");
            }
            Err(AutodiffError::Fragile { operation }) => assert!(fragile && operation == name, "{name}: {operation}"),
            Err(error) => panic!("{name}: {error}"),
        }
        // Without a graph the tangent is what it was.
        assert!(tch::no_grad(|| jvp(along, &at, &to)).is_ok(), "{name}");
    }
}

#[test]
fn a_time_derivative_that_would_be_differentiated_wrongly_is_refused() {
    let (x, w) = (draw(0, &[3, 4]), draw(2, &[4, 4]));
    let t = draw(4, &[3]).set_requires_grad(true);
    for (name, f) in FRAGILE {
        let y = f(&(&x + t.unsqueeze(1)), &w).flatten(0, -1);
        let found = time_derivative(&y, &t);
        assert!(matches!(&found, Err(AutodiffError::Fragile { operation }) if operation == name), "{name}: {found:?}");
    }
    let y = (&x * t.unsqueeze(1)).group_norm(1, None::<&Tensor>, None::<&Tensor>, 1e-5, false);
    assert_eq!(time_derivative(&y, &t).unwrap().size(), [3, 4]);
}

/// Whose tangents themselves are wrong, by tens of percent or altogether.
const WRONG: [(&str, Function); 2] = [
    ("cholesky_inverse", |x, w| matrices(x, w).tril(0).cholesky_inverse(false)),
    ("scatter_reduce", |x, w| {
        let rows = Tensor::from_slice(&[0i64, 1, 0]).unsqueeze(1).expand([3, 4], false);
        Tensor::ones([2, 4], (Kind::Double, Device::Cpu)).internal_scatter_reduce(0, &rows, &x.matmul(w), "prod", true)
    }),
];

/// The same by operations that have right tangents.
const RIGHT: [Function; 2] = [
    |x, w| Tensor::eye(4, (Kind::Double, Device::Cpu)).cholesky_solve(&matrices(x, w).tril(0), false),
    |x, w| {
        let rows = Tensor::from_slice(&[0i64, 1, 0]).unsqueeze(1).expand([3, 4], false);
        Tensor::ones([2, 4], (Kind::Double, Device::Cpu)).internal_scatter_reduce(0, &rows, &x.matmul(w), "sum", true)
    },
];

#[test]
fn a_tangent_that_is_wrong_is_refused_with_and_without_a_graph() {
    let (x, v, w) = (draw(0, &[3, 4]), draw(1, &[3, 4]), draw(2, &[4, 4]));
    let (at, to) = ([x.shallow_clone()], [v.shallow_clone()]);
    let recorded = w.copy().set_requires_grad(true);
    for (name, f) in WRONG {
        let refused = |found: Result<Vec<_>, AutodiffError>| match found.err() {
            Some(AutodiffError::WrongTangent { operation } | AutodiffError::Fragile { operation }) => operation == name,
            _ => false,
        };
        let along = |w: &Tensor| {
            let w = w.shallow_clone();
            move |x: &[Tensor]| Ok::<_, AutodiffError>(vec![f(&x[0], &w)])
        };
        assert!(refused(jvp(along(&w), &at, &to)), "{name}");
        assert!(refused(tch::no_grad(|| jvp(along(&recorded), &at, &to))), "{name} under no_grad");
        assert!(refused(jvp(along(&recorded), &at, &to)), "{name}, recorded");
        let (c, parameters) = (f(&x, &w).ones_like(), [recorded.shallow_clone()]);
        let over = tangent_gradient(along(&recorded), &at, &to, &parameters, &[c]);
        assert!(
            matches!(&over, Err(AutodiffError::WrongTangent { operation }) if operation == name),
            "{name}: {over:?}"
        );
        // Of what does not move it is right.
        let still = jvp(|x| Ok::<_, AutodiffError>(vec![&x[0] * f(&v, &w).sum(Kind::Double)]), &at, &to);
        assert!(still.is_ok(), "{name} of what does not move: {still:?}");
    }
    for f in RIGHT {
        let dual = jvp(|x| Ok::<_, AutodiffError>(vec![f(&x[0], &w)]), &at, &to).unwrap().remove(0);
        let h = 1e-6;
        let slope = (f(&(&x + &v * h), &w) - f(&(&x - &v * h), &w)) / (2.0 * h);
        assert!(dual.tangent.allclose(&slope, 1e-6, 1e-8, false), "{} for {slope}", dual.tangent);
    }
}
