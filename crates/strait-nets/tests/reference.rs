//! The networks against a second implementation, which uses the same parameters by name, and libtorch's own attention
//! and norms.

use std::collections::HashMap;
use strait_core::{Parameters, Seed};
use strait_nets::{
    ConditionKind, EmbeddingConfig, Network, TimeFeatures, Transformer, TransformerConfig, Unet, UnetConfig,
};
use tch::{Device, Kind, Tensor};

/// Parameters by name, moved away from where they start.
struct Named(HashMap<String, Tensor>);

impl Named {
    fn new(parameters: &Parameters) -> Self {
        let mut draws = Seed(4).stream("moves").at(0);
        for tensor in parameters.tensors() {
            let noise = draws.normal(&tensor.size(), Kind::Double, Device::Cpu).unwrap() * 0.3;
            let _ = tch::no_grad(|| tensor.shallow_clone().f_add_(&noise)).unwrap();
        }
        Self(parameters.named().into_iter().collect())
    }

    fn weight(&self, layer: &str) -> &Tensor {
        &self.0[&format!("{layer}.weight")]
    }

    fn bias(&self, layer: &str) -> &Tensor {
        &self.0[&format!("{layer}.bias")]
    }

    fn linear(&self, layer: &str, x: &Tensor) -> Tensor {
        x.linear(self.weight(layer), Some(self.bias(layer)))
    }

    fn convolution(&self, layer: &str, x: &Tensor, stride: i64) -> Tensor {
        let padding = self.weight(layer).size()[2] / 2;
        x.conv2d(self.weight(layer), Some(self.bias(layer)), [stride; 2], [padding; 2], [1; 2], 1)
    }

    fn norm(&self, layer: &str, x: &Tensor, groups: i64) -> Tensor {
        x.group_norm(groups, Some(self.weight(layer)), Some(self.bias(layer)), 1e-5, false)
    }

    /// Over (B, N, C).
    fn attention(&self, layer: &str, x: &Tensor, heads: i64) -> Tensor {
        let (b, n, c) = x.size3().unwrap();
        let qkv = self.linear(&format!("{layer}.qkv"), x).chunk(3, -1);
        let part = |i: usize| qkv[i].view([b, n, heads, c / heads]).transpose(1, 2);
        let seen = Tensor::scaled_dot_product_attention(
            &part(0),
            &part(1),
            &part(2),
            None::<&Tensor>,
            0.0,
            false,
            None,
            false,
        );
        self.linear(&format!("{layer}.out"), &seen.transpose(1, 2).reshape([b, n, c]))
    }

    /// Of times in 2 octaves and labels.
    fn embedding(&self, layer: &str, times: &[&Tensor], labels: &Tensor) -> Tensor {
        let pi = std::f64::consts::PI;
        let features: Vec<Tensor> = times
            .iter()
            .flat_map(|t| {
                [(*t).shallow_clone(), (*t * pi).sin(), (*t * 2.0 * pi).sin(), (*t * pi).cos(), (*t * 2.0 * pi).cos()]
            })
            .collect();
        let h = self.linear(&format!("{layer}.0"), &Tensor::stack(&features, 1)).silu();
        let classes = &self.0[&format!("{layer}.condition.classes")];
        (self.linear(&format!("{layer}.1"), &h) + classes.index_select(0, labels)).silu()
    }

    fn block(&self, layer: &str, x: &Tensor, vector: &Tensor, attends: bool) -> Tensor {
        let at = |name: &str| format!("{layer}.{name}");
        let h = self.convolution(&at("conv0"), &self.norm(&at("norm0"), x, 2).silu(), 1);
        let film = self.linear(&at("film"), vector).unsqueeze(-1).unsqueeze(-1).chunk(2, 1);
        let h = self.norm(&at("norm1"), &h, 2) * (&film[0] + 1.0) + &film[1];
        let h = self.convolution(&at("conv1"), &h.silu(), 1);
        let skip = self.0.contains_key(&at("skip.weight"));
        let h = h + if skip { self.convolution(&at("skip"), x, 1) } else { x.shallow_clone() };
        if !attends {
            return h;
        }
        let (b, c, height, width) = h.size4().unwrap();
        let positions = self.norm(&at("attention.norm"), &h, 2).view([b, c, height * width]).transpose(1, 2);
        let seen = self.attention(&at("attention"), &positions, 2).transpose(1, 2);
        &h + seen.reshape([b, c, height, width])
    }
}

fn inputs() -> (Tensor, [Tensor; 2], Tensor) {
    let mut draws = Seed(1).stream("x").at(0);
    let x = draws.normal(&[3, 2, 8, 8], Kind::Double, Device::Cpu).unwrap();
    let times = [0, 1].map(|_| draws.uniform(&[3], Kind::Double, Device::Cpu).unwrap());
    (x, times, Tensor::from_slice(&[2i64, 0, 1]))
}

fn embedding() -> EmbeddingConfig {
    EmbeddingConfig {
        times: 2,
        features: TimeFeatures::Fourier(2),
        condition: Some(ConditionKind::Classes(3)),
        width: 6,
    }
}

#[test]
fn a_unet_is_what_it_says() {
    let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    let config = UnetConfig {
        event: [2, 8, 8],
        stem: 2,
        channels: 4,
        multipliers: vec![1, 2],
        blocks: 1,
        attention: 2,
        heads: 2,
        groups: 2,
        embedding: embedding(),
        gradient_checkpointing: false,
    };
    let net = Unet::new(&config, &mut parameters.root()).unwrap();
    let p = Named::new(&parameters);
    let (x, [s, t], labels) = inputs();
    let e = p.embedding("unet.embedding", &[&s, &t], &labels);
    let a = p.convolution("unet.in", &x.pixel_unshuffle(2), 1);
    let b = p.block("unet.down0.0", &a, &e, false);
    let c = p.convolution("unet.down0.shrink", &b, 2);
    let d = p.block("unet.down1.0", &c, &e, true);
    let h = p.block("unet.middle1", &p.block("unet.middle0", &d, &e, true), &e, false);
    let h = p.block("unet.up1.0", &Tensor::cat(&[h, d], 1), &e, true);
    let h = p.block("unet.up1.1", &Tensor::cat(&[h, c], 1), &e, true);
    let h = p.convolution(
        "unet.up1.grow",
        &h.repeat_interleave_self_int(2, 2, None).repeat_interleave_self_int(2, 3, None),
        1,
    );
    let h = p.block("unet.up0.0", &Tensor::cat(&[h, b], 1), &e, false);
    let h = p.block("unet.up0.1", &Tensor::cat(&[h, a], 1), &e, false);
    let expected = p.convolution("unet.out", &p.norm("unet.norm", &h, 2).silu(), 1).pixel_shuffle(2);
    let found = net.evaluate(&x, &[&s, &t], Some(&labels)).unwrap();
    assert!(found.allclose(&expected, 1e-10, 1e-10, false));
}

#[test]
fn a_transformer_is_what_it_says() {
    let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    let config = TransformerConfig {
        event: [2, 8, 8],
        patch: 4,
        width: 8,
        depth: 2,
        heads: 2,
        expansion: 3,
        embedding: embedding(),
        gradient_checkpointing: false,
    };
    let net = Transformer::new(&config, &mut parameters.root()).unwrap();
    let p = Named::new(&parameters);
    let (x, [s, t], labels) = inputs();
    let e = p.embedding("transformer.embedding", &[&s, &t], &labels);
    let patches = x.view([3, 2, 2, 4, 2, 4]).permute([0, 2, 4, 1, 3, 5]).reshape([3, 4, 32]);
    let mut h = p.linear("transformer.in", &patches) + p.weight("transformer.places");
    let norm = |x: &Tensor| x.rms_norm([8], None::<&Tensor>, 1e-6);
    for i in 0..2 {
        let at = |name: &str| format!("transformer.{i}.{name}");
        let m = p.linear(&at("moves"), &e).unsqueeze(1).chunk(6, -1);
        h = &h + p.attention(&at("attention"), &(norm(&h) * (&m[0] + 1.0) + &m[1]), 2) * &m[2];
        let wide = p.linear(&at("wide"), &(norm(&h) * (&m[3] + 1.0) + &m[4])).gelu("none");
        h = &h + p.linear(&at("back"), &wide) * &m[5];
    }
    let m = p.linear("transformer.moves", &e).unsqueeze(1).chunk(2, -1);
    let out = p.linear("transformer.out", &(norm(&h) * (&m[0] + 1.0) + &m[1]));
    let expected = out.view([3, 2, 2, 2, 4, 4]).permute([0, 3, 1, 4, 2, 5]).reshape([3, 2, 8, 8]);
    let found = net.evaluate(&x, &[&s, &t], Some(&labels)).unwrap();
    assert!(found.allclose(&expected, 1e-10, 1e-10, false));
}
