//! The kernels of networks of images against the same of libtorch's operations.

use crate::common::{draw, with_gradients};
use strait_autodiff::AutodiffError;
use strait_kernels::{attention, channels_last, group_norm_silu};
use tch::{Device, Kind, Tensor};

fn leaf(seed: u64, shape: &[i64], kind: Kind) -> Tensor {
    draw(seed, shape, kind).set_requires_grad(true)
}

fn plain_norm(x: &Tensor, w: &Tensor, b: &Tensor, film: Option<&Tensor>, groups: i64, epsilon: f64) -> Tensor {
    let (size, channels) = (x.size(), x.size()[1]);
    let grouped = x.reshape([size[0], groups, -1]);
    let centred = &grouped - grouped.mean_dim([-1i64].as_slice(), true, None);
    let variance = centred.square().mean_dim([-1i64].as_slice(), true, None);
    let flat = [size[0], channels, -1];
    let y = (centred / (variance + epsilon).sqrt()).reshape(flat) * w.view([1, -1, 1]) + b.view([1, -1, 1]);
    let z = match film {
        Some(film) => {
            y * (1.0 + film.narrow(1, 0, channels).unsqueeze(-1)) + film.narrow(1, channels, channels).unsqueeze(-1)
        }
        None => y,
    };
    (&z * z.sigmoid()).reshape(size.as_slice())
}

fn plain_attention(qkv: &Tensor, heads: i64) -> Tensor {
    let (batch, n, c) = (qkv.size()[0], qkv.size()[1], qkv.size()[2] / (3 * heads));
    let parts = qkv.view([batch, n, 3, heads, c]).permute([2, 0, 3, 1, 4]);
    let scores = parts.select(0, 0).matmul(&parts.select(0, 1).transpose(-2, -1)) / (c as f64).sqrt();
    // Not libtorch's softmax, which has no second derivative along a tangent.
    let weights = (&scores - scores.detach().amax([-1i64].as_slice(), true)).exp();
    let weights = &weights / weights.sum_dim_intlist([-1i64].as_slice(), true, None);
    weights.matmul(&parts.select(0, 2)).transpose(1, 2).reshape([batch, n, heads * c])
}

/// Values, gradients, and gradients of gradients in reverse and in forward mode, of outputs of about 1.
fn agree(what: &str, ours: &Tensor, theirs: &Tensor, leaves: &[Tensor], tolerance: f64) {
    let (found, expected) =
        (with_gradients(&[ours.shallow_clone()], leaves), with_gradients(&[theirs.shallow_clone()], leaves));
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let size = 1.0 + expected.abs().max().double_value(&[]);
        let off = (found - expected).abs().max().double_value(&[]) / size;
        assert!(off < tolerance, "{what}: number {i} is off by {off:e} of {size}");
    }
}

#[test]
fn the_norm_is_its_formula_with_all_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 2e-5)] {
        for (shape, groups) in [
            (vec![3, 4, 5, 7], 2),
            (vec![2, 6, 3], 6),
            (vec![1, 3, 1, 1], 1),
            (vec![5, 8, 14, 14], 8),
            (vec![2, 4, 40, 40], 1), // more numbers than one part of a sum
        ] {
            for moved in [false, true] {
                let (channels, batch) = (shape[1], shape[0]);
                let x = leaf(1, &shape, kind);
                let (w, b) = (leaf(2, &[channels], kind), leaf(3, &[channels], kind));
                let film = moved.then(|| leaf(4, &[batch, 2 * channels], kind));
                let ours = group_norm_silu(&x, &w, &b, film.as_ref(), groups, 1e-5).unwrap().expect("a kernel");
                let theirs = plain_norm(&x, &w, &b, film.as_ref(), groups, 1e-5);
                let leaves: Vec<Tensor> = [x, w, b].into_iter().chain(film).collect();
                agree(&format!("{kind:?}, {shape:?} in {groups}, {moved}"), &ours, &theirs, &leaves, tolerance);
            }
        }
    }
}

/// Channels beside each other at each place stay so, where they fill packs; other channels are taken one after the other.
#[test]
fn the_norm_takes_images_in_any_order_of_memory() {
    for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 2e-5)] {
        for (shape, groups) in [([3, 8, 5, 6], 2), ([2, 16, 3, 3], 8), ([2, 6, 4, 5], 3), ([1, 8, 50, 50], 1)] {
            let last = channels_last(&draw(1, &shape, kind)).unwrap().unwrap().set_requires_grad(true);
            let (w, b) = (leaf(2, &[shape[1]], kind), leaf(3, &[shape[1]], kind));
            let film = leaf(4, &[shape[0], 2 * shape[1]], kind);
            let ours = group_norm_silu(&last, &w, &b, Some(&film), groups, 1e-5).unwrap().expect("a kernel");
            assert_eq!(ours.stride()[1] == 1, shape[1] != 6);
            let theirs = plain_norm(&last, &w, &b, Some(&film), groups, 1e-5);
            agree(&format!("{kind:?}, {shape:?} in {groups}"), &ours, &theirs, &[last, w, b, film], tolerance);
        }
    }
}

/// A mean far above the spread is rounded by 1e-4 of it. Squares of the numbers themselves would leave nothing of the variance.
#[test]
fn the_norm_keeps_its_digits_far_from_zero() {
    for last in [false, true] {
        let x = draw(1, &[4, 8, 12, 12], Kind::Float) + 3e3;
        let x = if last { channels_last(&x).unwrap().unwrap() } else { x };
        let (w, b) = (Tensor::ones([8], (Kind::Float, Device::Cpu)), Tensor::zeros([8], (Kind::Float, Device::Cpu)));
        let ours = group_norm_silu(&x, &w, &b, None, 2, 1e-5).unwrap().expect("a kernel");
        let [x, w, b] = [x, w, b].map(|x| x.to_kind(Kind::Double));
        let exact = plain_norm(&x, &w, &b, None, 2, 1e-5);
        let off = (ours.to_kind(Kind::Double) - exact).abs().max().double_value(&[]);
        assert!(off < 3e-4, "{off:e}");
    }
}

#[test]
fn attention_is_its_formula_with_all_derivatives() {
    for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 2e-5)] {
        for (batch, n, heads, c) in
            [(2, 1, 1, 1), (3, 5, 2, 3), (2, 8, 4, 8), (2, 49, 4, 16), (1, 70, 2, 20), (1, 256, 1, 4)]
        {
            let qkv = leaf(1, &[batch, n, 3 * heads * c], kind);
            let ours = attention(&qkv, heads).unwrap().expect("a kernel");
            let theirs = plain_attention(&qkv, heads);
            agree(&format!("{kind:?}, {batch} {n} {heads} {c}"), &ours, &theirs, &[qkv], tolerance);
        }
    }
}

/// Scores whose exponentials leave every range, one position's by far the greatest.
#[test]
fn attention_holds_scores_of_any_size() {
    let qkv = (draw(1, &[1, 9, 3], Kind::Float) * 1e4).set_requires_grad(true);
    let ours = attention(&qkv, 1).unwrap().expect("a kernel");
    let theirs = plain_attention(&qkv.to_kind(Kind::Double), 1).to_kind(Kind::Float);
    assert!((&ours - &theirs).abs().max().double_value(&[]) <= 1e-2, "of values up to 3e4");
    ours.sum(Kind::Float).backward();
    assert_eq!(qkv.grad().isfinite().all().int64_value(&[]), 1);
}

/// A sample's numbers do not depend on how many threads share the samples out.
#[test]
fn threads_change_nothing() {
    let x = leaf(1, &[64, 16, 14, 14], Kind::Float);
    let (w, b, film) = (leaf(2, &[16], Kind::Float), leaf(3, &[16], Kind::Float), leaf(4, &[64, 32], Kind::Float));
    let qkv = leaf(5, &[32, 49, 96], Kind::Float);
    let before = tch::get_num_threads();
    let mut made = vec![];
    for threads in [1, 2, 3] {
        tch::set_num_threads(threads);
        let y = group_norm_silu(&x, &w, &b, Some(&film), 4, 1e-5).unwrap();
        let seen = attention(&qkv, 2).unwrap();
        if let (Some(y), Some(seen)) = (y, seen) {
            let total = y.square().sum(Kind::Float) + seen.square().sum(Kind::Float);
            let found = Tensor::run_backward(&[total], &[&x, &w, &b, &film, &qkv], false, false);
            made.push([y.detach(), seen.detach()].into_iter().chain(found).collect::<Vec<_>>());
        }
    }
    tch::set_num_threads(before);
    for other in &made[1..] {
        assert!(made[0].iter().zip(other).all(|(a, b)| a.equal(b)));
    }
}

#[test]
fn shapes_that_do_not_match_are_named() {
    let of = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let (x, w) = (of(&[2, 6, 3, 3]), of(&[6]));
    assert!(group_norm_silu(&of(&[2, 6, 0, 3]), &w, &w, None, 3, 1e-5).unwrap().is_none());
    assert_eq!(attention(&of(&[0, 5, 12]), 2).unwrap().map(|seen| seen.size()), Some(vec![0, 5, 4]));
    let named = |made: Result<Option<Tensor>, AutodiffError>| match made {
        Err(AutodiffError::Shape { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(group_norm_silu(&of(&[6]), &w, &w, None, 1, 1e-5)), "images to normalise");
    assert_eq!(named(group_norm_silu(&x, &w, &w, None, 4, 1e-5)), "groups of channels");
    assert_eq!(named(group_norm_silu(&x, &of(&[5]), &w, None, 3, 1e-5)), "weights of channels");
    assert_eq!(named(group_norm_silu(&x, &w, &w, Some(&of(&[2, 6])), 3, 1e-5)), "weights and shifts of samples");
    assert_eq!(named(attention(&of(&[2, 5, 10]), 2)), "queries, keys and values of heads");
    assert_eq!(named(attention(&of(&[2, 12]), 2)), "queries, keys and values of heads");
}
