//! Gradient checkpointing: the same numbers, and nothing kept.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use strait_autodiff::{AutodiffError, Graph, gradient, jvp, normal, recomputed, vjp};
use tch::{Device, Kind, Tensor};

/// $\sin(x w) + x t$, how often it was computed, and its w.
struct Counted {
    calls: Arc<AtomicUsize>,
    w: Tensor,
}

impl Counted {
    fn new() -> Self {
        let w = normal(7, 0, &[3, 3], Kind::Double, Device::Cpu).unwrap().set_requires_grad(true);
        Self { calls: Arc::default(), w }
    }

    fn plain(w: &Tensor, x: &[Tensor]) -> Tensor {
        x[0].matmul(w).sin() + &x[0] * &x[1]
    }

    fn apply(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, AutodiffError> {
        let (calls, own) = (Arc::clone(&self.calls), Mutex::new(self.w.shallow_clone()));
        let f = move |x: &[Tensor]| {
            calls.fetch_add(1, SeqCst);
            Ok::<_, AutodiffError>(Self::plain(&own.lock().unwrap(), x))
        };
        recomputed(f, &[x, t], &[self.w.shallow_clone()])
    }
}

fn inputs() -> [Tensor; 2] {
    let x = Tensor::randn([4, 3], (Kind::Double, Device::Cpu)).set_requires_grad(true);
    [x, Tensor::rand([4, 1], (Kind::Double, Device::Cpu)).set_requires_grad(true)]
}

fn close(a: &[Tensor], b: &[Tensor]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!(a.size() == b.size() && (a - b).abs().max().double_value(&[]) < 1e-13, "{a:?} against {b:?}");
    }
}

fn all(x: &Tensor, t: &Tensor, f: &Counted) -> [Tensor; 3] {
    [x.shallow_clone(), t.shallow_clone(), f.w.shallow_clone()]
}

#[test]
fn value_and_gradients_are_those_of_the_function_which_is_computed_again() {
    let f = Counted::new();
    let [x, t] = inputs();
    let y = f.apply(&x, &t).unwrap();
    assert_eq!(f.calls.load(SeqCst), 1);
    let plain = Counted::plain(&f.w, &[x.shallow_clone(), t.shallow_clone()]);
    close(&[y.detach()], &[plain.detach()]);
    let of = |y: Tensor| gradient(&(&y * &y).sum(Kind::Double), &all(&x, &t, &f), Graph::Free).unwrap();
    close(&of(y), &of(plain));
    assert_eq!(f.calls.load(SeqCst), 2);
}

#[test]
fn gradients_of_gradients_are_right() {
    let f = Counted::new();
    let [x, t] = inputs();
    // An argument that was made from another, as the times of a network are.
    let made = || (&t * &x.sum_dim_intlist([1i64].as_slice(), true, Kind::Double)).cos();
    let second = |y: Tensor| {
        let g = gradient(&(&y * &y).sum(Kind::Double), &all(&x, &t, &f), Graph::Record).unwrap();
        let of: Vec<Tensor> = g.iter().map(|g| g.sin()).collect();
        vjp(&g, &of, &all(&x, &t, &f), Graph::Free).unwrap()
    };
    let plain = second(Counted::plain(&f.w, &[x.shallow_clone(), made()]));
    close(&second(f.apply(&x, &made()).unwrap()), &plain);
}

#[test]
fn what_wants_no_gradient_gets_none_and_nothing_is_recorded_where_nothing_is_wanted() {
    let f = Counted::new();
    let [x, t] = inputs().map(|x| x.detach());
    let sum = f.apply(&x, &t).unwrap().sum(Kind::Double);
    let g = gradient(&sum, &[f.w.shallow_clone()], Graph::Free).unwrap();
    drop(sum);
    let plain = Counted::plain(&f.w, &[x.shallow_clone(), t.shallow_clone()]);
    close(&g, &gradient(&plain.sum(Kind::Double), &[f.w.shallow_clone()], Graph::Free).unwrap());
    let y = tch::no_grad(|| f.apply(&x, &t)).unwrap();
    assert!(!y.requires_grad());
    assert_eq!(Arc::strong_count(&f.calls), 1, "a closure outlives its graph");
}

#[test]
fn inside_a_jvp_it_is_the_function() {
    let f = Counted::new();
    let [x, t] = inputs();
    let tangents = [x.ones_like(), t.ones_like()];
    let own = jvp(
        |v| Ok::<_, AutodiffError>(vec![f.apply(&v[0], &v[1])?]),
        &[x.shallow_clone(), t.shallow_clone()],
        &tangents,
    );
    let plain = jvp(
        |v| Ok::<_, AutodiffError>(vec![Counted::plain(&f.w, v)]),
        &[x.shallow_clone(), t.shallow_clone()],
        &tangents,
    );
    let of = |pushed: Result<Vec<strait_autodiff::Dual>, AutodiffError>| {
        let tangent = pushed.unwrap().remove(0).tangent;
        let mut found = gradient(&tangent.square().sum(Kind::Double), &all(&x, &t, &f), Graph::Free).unwrap();
        found.push(tangent.detach());
        found
    };
    close(&of(own), &of(plain));
}

#[test]
fn errors_are_the_functions_own() {
    let x = Tensor::zeros([2], (Kind::Double, Device::Cpu)).set_requires_grad(true);
    let refuses = |_: &[Tensor]| Err(AutodiffError::Nested);
    assert!(matches!(recomputed(refuses, &[&x], &[]), Err(AutodiffError::Nested)));
    // One that fails when it is computed again.
    let calls = AtomicUsize::new(0);
    let tires = move |x: &[Tensor]| match calls.fetch_add(1, SeqCst) {
        0 => Ok(x[0].sin()),
        _ => Err(AutodiffError::Nested),
    };
    let y = recomputed(tires, &[&x], &[]).unwrap();
    let error = gradient(&y.sum(Kind::Double), &[x], Graph::Free).unwrap_err();
    assert!(error.to_string().contains("a JVP inside a JVP"), "{error}");
}
