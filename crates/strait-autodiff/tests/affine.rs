//! The kernel of the affine coupling against the same map made of libtorch's operations.

use strait_autodiff::{AutodiffError, Dual, Graph, affine, jvp, normal, vjp};
use tch::{Device, Kind, Tensor};

const BOUND: f64 = 2.0;

fn draw(seed: u64, shape: &[i64], kind: Kind) -> Tensor {
    normal(seed, shape, kind, Device::Cpu).unwrap()
}

fn composed(x: &Tensor, raw: &Tensor, inverse: bool) -> [Tensor; 2] {
    let parts = raw.chunk(2, 1);
    let s = (&parts[0] / BOUND).tanh() * BOUND;
    let (y, slope) = if inverse { ((x - &parts[1]) * (-&s).exp(), -s) } else { (x * s.exp() + &parts[1], s) };
    let axes: Vec<i64> = (1..x.dim() as i64).collect();
    [y, slope.sum_dim_intlist(axes, false, x.kind())]
}

fn kernel(x: &Tensor, raw: &Tensor, inverse: bool) -> [Tensor; 2] {
    affine(x, raw, BOUND, inverse).unwrap().expect("a kernel").into()
}

/// Values, gradients, and the gradients of a function of the gradients.
fn everything(map: fn(&Tensor, &Tensor, bool) -> [Tensor; 2], x: &Tensor, raw: &Tensor, inverse: bool) -> Vec<Tensor> {
    let (x, raw) = (x.detach().set_requires_grad(true), raw.detach().set_requires_grad(true));
    let y = map(&x, &raw, inverse);
    let w = [draw(5, &y[0].size(), x.kind()), draw(6, &y[1].size(), x.kind())].map(|w| w.set_requires_grad(true));
    let leaves = [x.shallow_clone(), raw.shallow_clone()];
    let plain = vjp(&y, &w, &leaves, Graph::Keep).unwrap();
    let first = vjp(&y, &w, &leaves, Graph::Record).unwrap();
    let v = [draw(7, &x.size(), x.kind()), draw(8, &raw.size(), x.kind())];
    let all = [x, raw, w[0].shallow_clone(), w[1].shallow_clone()];
    let second = vjp(&first, &v, &all, Graph::Free).unwrap();
    y.into_iter().chain(plain).chain(first.iter().map(Tensor::detach)).chain(second).collect()
}

#[test]
fn the_kernel_is_the_map_with_its_first_two_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 2e-5)] {
        let wide = draw(0, &[6, 10, 4, 2], kind);
        let maps = draw(1, &[6, 4, 2, 10], kind).permute([0, 3, 1, 2]) * 3.0;
        let half = wide.narrow(1, 5, 5);
        let one = draw(2, &[5, 1], kind);
        let cases = [
            (half.shallow_clone(), maps), // a half, channels last
            (draw(3, &[1, 5, 3, 1], kind).expand([4, 5, 3, 2], false), draw(4, &[4, 10, 3, 2], kind)), // one for all
            (one, draw(4, &[5, 2], kind)),
            (draw(3, &[0, 3], kind), draw(4, &[0, 6], kind)),
        ];
        for (x, raw) in &cases {
            for inverse in [false, true] {
                let (ours, theirs) = (everything(kernel, x, raw, inverse), everything(composed, x, raw, inverse));
                for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
                    assert_eq!(a.size(), b.size());
                    let off =
                        if a.numel() == 0 { 0.0 } else { ((a - b).abs() / (b.abs() + 1.0)).max().double_value(&[]) };
                    assert!(off < tolerance, "{kind:?} {:?} inverse {inverse}, tensor {i}: {off:e}", x.size());
                }
            }
        }
    }
}

#[test]
fn without_numbers_of_the_network_it_is_the_identity_to_the_bit() {
    let x = draw(0, &[40, 33], Kind::Float) * 1e6;
    for inverse in [false, true] {
        let [y, log_det] = kernel(&x, &Tensor::zeros([40, 66], (Kind::Float, Device::Cpu)), inverse);
        assert_eq!(y, x);
        assert_eq!(log_det, Tensor::zeros([40], (Kind::Float, Device::Cpu)));
    }
}

#[test]
fn a_sample_does_not_depend_on_the_others() {
    let (x, raw) = (draw(0, &[7, 37], Kind::Float), draw(1, &[7, 74], Kind::Float));
    let whole = kernel(&x, &raw, true);
    for i in 0..7 {
        let alone = kernel(&x.narrow(0, i, 1), &raw.narrow(0, i, 1), true);
        assert_eq!(alone[0], whole[0].narrow(0, i, 1));
        assert_eq!(alone[1], whole[1].narrow(0, i, 1));
    }
}

#[test]
fn what_the_kernel_cannot_do_is_left_to_others() -> Result<(), AutodiffError> {
    let (x, raw) = (draw(0, &[3, 2], Kind::Float), draw(1, &[3, 4], Kind::Float));
    assert!(affine(&x, &raw, 100.0, false)?.is_none());
    assert!(affine(&x.to_kind(Kind::Half), &raw.to_kind(Kind::Half), 2.0, false)?.is_none());
    let inside = |v: &[Tensor]| {
        Ok::<_, AutodiffError>(vec![&v[0] * f64::from(u8::from(affine(&v[0], &raw, 2.0, false)?.is_none()))])
    };
    let Dual { value, .. } = jvp(inside, &[x.shallow_clone()], &[x.ones_like()])?.remove(0);
    assert_eq!(value, x);
    assert!(matches!(affine(&x, &x, 2.0, false), Err(AutodiffError::Shape { .. })));
    Ok(())
}
