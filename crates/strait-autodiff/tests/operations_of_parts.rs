//! More operations for `operations`: parts of factorisations, recurrent layers, paddings, samplings, sparse and complex numbers.

use crate::operations::{DOUBLE, NONE, Operation, draw, images, matrices, positive, rows};
use tch::{Kind, Reduction, Tensor};

/// Square matrices with a spectrum that is simple and not on a line: (3, 4, 4).
fn spread(a: &Tensor) -> Tensor {
    Tensor::from_slice(&[1.0, 3.0, 6.0, 10.0]).diag(0) + (a.unsqueeze(2) * draw(11, &[4])).tanh() * 0.3
}

fn weights(a: &Tensor, shape: &[i64]) -> Tensor {
    draw(19, shape) * (a.mean(Kind::Double) + 1.0)
}

/// Of (3, 4).
pub(crate) fn operations() -> Vec<(&'static str, Operation)> {
    vec![
        ("qr, Q", |a| Tensor::linalg_qr(&matrices(a), "reduced").0),
        ("qr of a tall matrix, Q", |a| Tensor::linalg_qr(&matrices(a).narrow(2, 0, 2), "reduced").0),
        ("svd, U", |a| Tensor::svd(&spread(a), true, true).0.square()),
        ("svd, V", |a| Tensor::svd(&spread(a).narrow(1, 0, 2), true, true).2.square()),
        ("svd put together", |a| {
            let (u, s, v) = Tensor::svd(&spread(a), true, true);
            (u * s.sqrt().unsqueeze(1)).matmul(&v)
        }),
        ("eigh, vectors", |a| (spread(a) + spread(a).transpose(1, 2)).linalg_eigh("L").1.square()),
        ("eig, values", |a| spread(a).linalg_eig().0.abs().sort(1, false).0),
        ("lu, U", |a| Tensor::linalg_lu(&matrices(a), true).2),
        ("lu_unpack", |a| {
            let (lu, pivots) = Tensor::linalg_lu_factor(&matrices(a), true);
            let (_, l, u) = Tensor::lu_unpack(&lu, &pivots, true, true);
            l.tanh().matmul(&u)
        }),
        ("svdvals", |a| spread(a).svd(true, true).1),
        ("cholesky_ex", |a| positive(a).linalg_cholesky_ex(false, false).0),
        ("pinv of a tall matrix", |a| matrices(a).narrow(2, 0, 3).linalg_pinv(1e-12, false)),
        ("pinv, symmetric", |a| positive(a).linalg_pinv(1e-12, true)),
        ("linalg_inv", |a| Tensor::linalg_inv(&matrices(a)).matmul(&matrices(a).tanh())),
        ("orgqr", |a| matrices(a).orgqr(&a.sigmoid())),
        ("geqrf", |a| matrices(a).geqrf().0),
        ("det of one row", |a| matrices(a).get(0).det()),
        ("det of a singular matrix", |a| (a.unsqueeze(2) * a.unsqueeze(1)).det()),
        ("logdet by cholesky", |a| positive(a).linalg_cholesky(false).diagonal(0, 1, 2).log().sum(Kind::Double)),
        ("layer_norm with weights", |a| a.layer_norm([4], Some(&a.get(0).sigmoid()), Some(&a.get(1)), 1e-5, false)),
        ("native_layer_norm", |a| a.native_layer_norm([4], NONE, NONE, 1e-5).0),
        ("native_group_norm", |a| images(a).native_group_norm(NONE, NONE, 3, 1, 16, 1, 1e-5).0),
        ("group_norm, channels last", |a| {
            let x = images(a).tile([1, 2, 1, 1]).permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
            x.group_norm(2, NONE, NONE, 1e-5, false)
        }),
        ("group_norm with weights", |a| a.group_norm(2, Some(&a.get(0).sigmoid()), Some(&a.get(1)), 1e-5, false)),
        ("rms_norm with weights", |a| a.rms_norm([4], Some(&a.get(0).sigmoid()), 1e-5)),
        ("batch_norm, running", |a| {
            let (mean, var) = (draw(20, &[4]), draw(21, &[4]).square() + 0.5);
            a.batch_norm(NONE, NONE, Some(&mean), Some(&var), false, 0.1, 1e-5, false)
        }),
        ("batch_norm with weights", |a| {
            a.batch_norm(Some(&a.get(0).sigmoid()), Some(&a.get(1)), NONE, NONE, true, 0.1, 1e-5, false)
        }),
        ("batch_norm of images", |a| images(a).batch_norm(NONE, NONE, NONE, NONE, true, 0.1, 1e-5, false)),
        ("local_response_norm by hand", |a| {
            let x = images(a).square();
            &x / (x.avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None) + 1.0).pow_tensor_scalar(0.75)
        }),
        ("gru", |a| {
            let sizes: [&[i64]; 4] = [&[6, 4], &[6, 2], &[6], &[6]];
            let p: Vec<Tensor> = sizes.iter().map(|s| weights(a, s)).collect();
            a.unsqueeze(0).gru(&Tensor::zeros([1, 1, 2], DOUBLE), &p, true, 1, 0.0, false, false, true).0
        }),
        ("lstm", |a| {
            let sizes: [&[i64]; 4] = [&[8, 4], &[8, 2], &[8], &[8]];
            let p: Vec<Tensor> = sizes.iter().map(|s| weights(a, s)).collect();
            let zero = Tensor::zeros([1, 1, 2], DOUBLE);
            a.unsqueeze(0).lstm(&[&zero, &zero], &p.iter().collect::<Vec<_>>(), true, 1, 0.0, false, false, true).0
        }),
        ("rnn_tanh", |a| {
            let sizes: [&[i64]; 4] = [&[2, 4], &[2, 2], &[2], &[2]];
            let p: Vec<Tensor> = sizes.iter().map(|s| weights(a, s)).collect();
            a.unsqueeze(0).rnn_tanh(&Tensor::zeros([1, 1, 2], DOUBLE), &p, true, 1, 0.0, false, false, true).0
        }),
        ("conv2d", |a| images(a).conv2d(&weights(a, &[2, 1, 2, 2]), NONE, [1, 1], [0, 0], [1, 1], 1)),
        ("conv2d, strided, dilated, padded", |a| {
            images(a).conv2d(&weights(a, &[2, 1, 2, 2]), NONE, [2, 1], [1, 1], [2, 1], 1)
        }),
        ("conv2d of groups", |a| {
            images(a).tile([1, 2, 1, 1]).conv2d(&weights(a, &[4, 1, 2, 2]), NONE, [1, 1], [0, 0], [1, 1], 2)
        }),
        ("conv_transpose2d", |a| {
            images(a).conv_transpose2d(&weights(a, &[1, 2, 2, 2]), NONE, [2, 2], [1, 1], [1, 0], 1, [1, 1])
        }),
        ("conv3d", |a| {
            let w = weights(a, &[2, 1, 1, 2, 2]);
            images(a).unsqueeze(2).conv3d(&w, NONE, [1, 1, 1], [0, 0, 0], [1, 1, 1], 1)
        }),
        ("reflection_pad1d", |a| a.square().unsqueeze(0).reflection_pad1d([2, 1])),
        ("reflection_pad2d", |a| images(a).square().reflection_pad2d([1, 1, 2, 1])),
        ("replication_pad2d", |a| images(a).square().replication_pad2d([1, 1, 2, 1])),
        ("pad, circular", |a| images(a).square().pad([1, 1, 2, 1], "circular", None)),
        ("unfold", |a| a.square().unfold(1, 2, 1)),
        ("diagonal_scatter", |a| a.narrow(1, 0, 3).diagonal_scatter(&a.square().get(0).narrow(0, 0, 3), 0, 0, 1)),
        ("select_scatter", |a| a.select_scatter(&a.square().get(1), 0, 2)),
        ("slice_scatter", |a| a.slice_scatter(&a.square().narrow(1, 0, 2), 1, 1, 3, 1)),
        ("as_strided_scatter", |a| a.contiguous().as_strided_scatter(&a.square().narrow(1, 0, 2), [3, 2], [4, 2], 0)),
        ("index_fill", |a| a.square().index_fill(1, &Tensor::from_slice(&[1i64]), 2.0)),
        ("masked_fill", |a| a.square().masked_fill(&a.gt(0.0), 2.0)),
        ("where_self", |a| a.square().where_self(&a.gt(0.0), &a.sin())),
        ("diag_embed", |a| a.square().diag_embed(1, 1, 2)),
        ("lerp_tensor", |a| a.lerp_tensor(&a.square(), &a.sigmoid())),
        ("addcmul", |a| a.addcmul(&a.sin(), &a.flip([1]))),
        ("addmv", |a| a.get(0).narrow(0, 0, 3).addmv(a, &a.get(1).square())),
        ("xlog1py", |a| a.special_xlog1py(&a.square())),
        ("igammac", |a| Tensor::from_slice(&[0.7f64, 1.2, 2.0, 3.1]).igammac(&(a.square() + 0.5))),
        ("sgn of complex numbers", |a| Tensor::complex(a, &a.flip([1])).sgn().real()),
        ("power of complex numbers", |a| {
            let z = Tensor::complex(&(a.square() + 0.5), &a.flip([1]));
            z.pow(&Tensor::complex(&a.sin(), a)).abs()
        }),
        ("complex division", |a| (Tensor::complex(a, &a.sin()) / Tensor::complex(&a.exp(), a)).imag()),
        ("complex inverse", |a| Tensor::linalg_inv(&Tensor::complex(&matrices(a), &spread(a))).abs()),
        ("fft2", |a| a.square().fft_fft2(None::<&[i64]>, [0i64, 1].as_slice(), "ortho").abs()),
        ("hfft", |a| Tensor::complex(a, &a.sin()).fft_hfft(None, 1, "ortho")),
        ("istft", |a| {
            let z = a.tile([1, 2]).square().stft(4, 2, 4, NONE, false, true, true, false);
            z.istft(4, 2, 4, NONE, true, false, true, None, false)
        }),
        ("multilabel_margin_loss", |a| {
            let target = Tensor::from_slice(&[1i64, -1, 0, 0]).expand([3, 4], false);
            a.multilabel_margin_loss(&target, Reduction::Mean)
        }),
        ("cosine_embedding_loss", |a| {
            let target = Tensor::from_slice(&[1i64, -1, 1]);
            Tensor::cosine_embedding_loss(a, &a.flip([1]), &target, 0.1, Reduction::Mean)
        }),
        ("hinge_embedding_loss", |a| a.hinge_embedding_loss(&draw(18, &[3, 4]).sign(), 1.0, Reduction::Mean)),
        ("margin_ranking_loss", |a| {
            Tensor::margin_ranking_loss(a, &a.sin(), &draw(18, &[3, 4]).sign(), 0.1, Reduction::Mean)
        }),
        ("cross_entropy_loss, smoothed", |a| a.cross_entropy_loss(&rows(), NONE, Reduction::Mean, -100, 0.1)),
        ("cross_entropy_loss of shares", |a| {
            let shares = a.flip([1]).softmax(1, Kind::Double);
            a.cross_entropy_loss(&shares, NONE, Reduction::Mean, -100, 0.0)
        }),
        ("masked_softmax", |a| a.internal_masked_softmax(&draw(18, &[3, 4]).gt(0.5), 1, 2)),
        ("grid_sampler_3d", |a| {
            let theta = matrices(a).narrow(1, 0, 3) * 0.1;
            let grid = Tensor::affine_grid_generator(&theta, [3, 1, 2, 2, 2], false);
            images(a).unsqueeze(2).grid_sampler_3d(&grid, 0, 0, false)
        }),
        ("grid_sampler, bicubic", |a| {
            let theta = matrices(a).narrow(1, 0, 2).narrow(2, 0, 3) * 0.1;
            images(a).grid_sampler(&Tensor::affine_grid_generator(&theta, [3, 1, 2, 2], true), 2, 1, true)
        }),
        ("upsample_nearest2d", |a| images(a).square().upsample_nearest2d([7, 5], None, None)),
        ("upsample_bilinear2d, smoothed", |a| {
            images(a).square().internal_upsample_bilinear2d_aa([2, 2], false, None, None)
        }),
        ("upsample_bicubic2d, smoothed", |a| {
            images(a).square().internal_upsample_bicubic2d_aa([2, 2], false, None, None)
        }),
        ("adaptive_avg_pool2d", |a| images(a).square().adaptive_avg_pool2d([3, 2])),
        ("max_pool3d", |a| images(a).unsqueeze(2).max_pool3d([1, 2, 2], [1, 1, 1], [0, 0, 0], [1, 1, 1], false)),
        ("max_pool1d", |a| a.square().unsqueeze(0).max_pool1d([2], [1], [0], [1], false)),
        ("cummin", |a| a.sin().cummin(1).0),
        ("aminmax", |a| {
            let (least, most) = a.sin().aminmax(1, false);
            least * most
        }),
        ("mode", |a| a.sin().mode(1, false).0),
        ("nanmedian", |a| a.sin().nanmedian_dim(1, false).0),
        ("nanquantile", |a| a.sin().nanquantile_scalar(0.4, 1, false, "linear")),
        ("diff", |a| a.square().diff(1, 1, NONE, NONE)),
        ("index_put, added up", |a| a.index_put(&[Some(rows())], &a.square(), true)),
        ("scatter_add", |a| a.scatter_add(0, &rows().unsqueeze(1).expand([3, 4], false), &a.sin())),
        ("take_along_dim", |a| a.square().take_along_dim(&rows().unsqueeze(1), 1)),
        ("einsum", |a| Tensor::einsum("ij,kj,kl->il", &[a, &a.tanh(), &a.square()], None::<&[i64]>)),
        ("sparse and back", |a| a.square().to_sparse(None, None::<&[i64]>, None).to_dense(None, false)),
        ("sparse product", |a| a.square().to_sparse(None, None::<&[i64]>, None).matmul(&a.tanh().tr())),
        ("softmin", |a| (-a).softmax(0, Kind::Double)),
        ("norm of a row of matrices, -2", |a| spread(a).linalg_norm(-2.0, [1i64, 2].as_slice(), false, Kind::Double)),
        ("norm of matrices, 1", |a| spread(a).linalg_norm(1.0, [1i64, 2].as_slice(), false, Kind::Double)),
        ("channel_shuffle", |a| a.square().unsqueeze(2).unsqueeze(3).channel_shuffle(2)),
        ("rot90", |a| a.square().rot90(1, [0, 1])),
        ("block_diag", |a| Tensor::block_diag(&[a, &a.square()])),
        ("cartesian_prod", |a| Tensor::cartesian_prod(&[a.get(0), a.get(1).square()])),
        ("attention by a mask", |a| {
            let mask = Tensor::ones([4, 4], (Kind::Bool, tch::Device::Cpu)).tril(0);
            Tensor::scaled_dot_product_attention(
                &matrices(a),
                &spread(a),
                &positive(a),
                Some(&mask),
                0.0,
                false,
                None,
                false,
            )
        }),
        ("attention, causal", |a| {
            Tensor::scaled_dot_product_attention(&matrices(a), &spread(a), &positive(a), NONE, 0.0, true, None, false)
        }),
    ]
}
