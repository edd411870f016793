//! A network of convolutions over images and a time, with exact derivatives in time.

use crate::embedding::ConditionEmbedding;
use crate::kernels::channels_last;
use crate::time_network::{TimeNetwork, time_function};
use crate::{Activation, NetError, TimeFeatures};
use strait_autodiff::{Jet, Order};
use strait_core::{ConditionKind, Conditions, Error, Init, Scope, check_batch};
use tch::Tensor;

/// The shape of a [`ConvNet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvNetConfig {
    /// Channels, height and width of what it sees.
    pub input: [i64; 3],
    /// Squares of so many pixels a side become channels before everything else (space to depth), and pixels again at the
    /// end; 1 leaves images as they are.
    pub stem: i64,
    /// Channels of each hidden layer.
    pub hidden: Vec<i64>,
    /// Channels of the result, which has the height and width of what is seen.
    pub output: i64,
    /// Between layers.
    pub activation: Activation,
    /// How t enters.
    pub time: TimeFeatures,
    /// Whether the last layer starts at zero, so that a fresh network is the zero function.
    pub zero_last: bool,
}

impl ConvNetConfig {
    /// The shape of what it sees, after the stem.
    fn squares(&self) -> Result<[i64; 3], Error> {
        let [channels, height, width] = self.input;
        let stem = self.stem;
        if stem < 1 || height % stem != 0 || width % stem != 0 {
            let must = "at least 1, and divide height and width of the images";
            return Err(Error::Setting {
                what: "the side of a convolutional network's stem",
                value: stem as f64,
                must,
            });
        }
        Ok([channels * stem * stem, height / stem, width / stem])
    }

    /// (B, c, h, w), or the same numbers flattened, as squares that are channels.
    fn seen(&self, x: &Tensor) -> Result<Tensor, Error> {
        let [channels, height, width] = self.input;
        let fits = match x.size()[1..] {
            [d] => d == channels * height * width,
            ref event => *event == self.input,
        };
        if !fits {
            let expected = format!("(B, {channels}, {height}, {width}), or the same flattened");
            return Err(Error::Shape { what: "x", expected, found: x.size() });
        }
        let x = x.f_reshape([-1, channels, height, width])?;
        let squares = if self.stem == 1 { x } else { x.f_pixel_unshuffle(self.stem)? };
        Ok(channels_last(&squares)?.unwrap_or(squares))
    }
}

/// The side of a kernel.
const SIDE: i64 = 3;
/// The width of the vector that a condition is.
const CONDITION: i64 = 16;

/// Convolutions of 3x3 over images, $f(x, t)$, with as many positions in each layer; features of t, and the vector of a
/// condition, move the channels of every hidden layer by a linear map. As a `TimeFunction` its result is (B, output h w), channel
/// by channel, with exact derivatives in t by Taylor mode: what makes it the network of an affine or residual path over
/// images. Layers start uniform on $\pm 1/\sqrt{\text{fan in}}$.
///
/// ```
/// use strait_core::{Order, Parameters, Seed, TimeFunction};
/// use strait_nets::{Activation, ConvNet, ConvNetConfig, TimeFeatures};
/// use tch::{Device, Kind, Tensor};
/// // What a residual path over images 1x8x8 needs: it sees both endpoints, and gives one image.
/// let config = ConvNetConfig {
///     input: [2, 8, 8], stem: 2, hidden: vec![16, 16], output: 1,
///     activation: Activation::Silu, time: TimeFeatures::Raw, zero_last: true,
/// };
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let bend = ConvNet::new(&config, &mut parameters.root())?;
/// let (both, t) = (Tensor::ones([5, 2, 8, 8], (Kind::Float, Device::Cpu)), Tensor::zeros([5], (Kind::Float, Device::Cpu)));
/// let jet = bend.jet(&both, &t, Order::Second)?;
/// assert_eq!((jet.value().size(), jet.second().size()), (vec![5, 64], vec![5, 64]));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ConvNet {
    /// Weight and bias of each convolution.
    layers: Vec<(Tensor, Tensor)>,
    /// Of each hidden layer, what features and a condition's vector move its channels by.
    moved: Vec<Tensor>,
    condition: Option<ConditionEmbedding>,
    config: ConvNetConfig,
}

impl ConvNet {
    /// Makes the layers under `scope`, named `0.weight`, `0.bias`, `0.moved`, `1.weight`, ...
    ///
    /// # Errors
    /// `Setting` for a stem that does not fit the images; `Parameter` where a name is taken; libtorch's when memory runs out.
    pub fn new(config: &ConvNetConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Self::make(config, None, scope)
    }

    /// One that sees a condition beside the images, as [`Mlp::conditional`](crate::Mlp::conditional).
    ///
    /// # Errors
    /// As `new`; `Setting` for no classes or an empty vector.
    pub fn conditional(config: &ConvNetConfig, condition: ConditionKind, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Self::make(config, Some(condition), scope)
    }

    fn make(config: &ConvNetConfig, condition: Option<ConditionKind>, scope: &mut Scope<'_>) -> Result<Self, Error> {
        let [squares, ..] = config.squares()?;
        let mut widths = vec![squares];
        widths.extend(&config.hidden);
        widths.push(config.output * config.stem * config.stem);
        let (last, features) = (widths.len() - 2, config.time.count() + condition.map_or(0, |_| CONDITION));
        let (mut layers, mut moved) = (vec![], vec![]);
        for (i, pair) in widths.windows(2).enumerate() {
            let mut scope = scope.sub(&i.to_string());
            let fan_in = pair[0] * SIDE * SIDE;
            let init = match i == last && config.zero_last {
                true => Init::Constant(0.0),
                false => Init::Uniform(1.0 / (fan_in as f64).sqrt()),
            };
            let weight = scope.tensor("weight", &[pair[1], pair[0], SIDE, SIDE], init)?;
            layers.push((weight, scope.tensor("bias", &[pair[1]], init)?));
            if i < last {
                let init = Init::Uniform(1.0 / (features.max(1) as f64).sqrt());
                moved.push(scope.tensor("moved", &[pair[1], features], init)?);
            }
        }
        let condition = condition.map(|kind| ConditionEmbedding::spread(kind, CONDITION, 1.0, scope)).transpose()?;
        Ok(Self { layers, moved, condition, config: config.clone() })
    }

    /// Features of times and the vector of a condition, (B, n).
    fn features(&self, t: &Tensor, order: Order, conditions: &Conditions) -> Result<Jet, Error> {
        let of_time = self.config.time.of(&Jet::variable(t, order).view(|t| t.unsqueeze(1)));
        match &self.condition {
            Some(embedding) => {
                let vector = Jet::constant(&embedding.of(conditions, t.size()[0])?);
                Ok(of_time.zip(&vector, |a, b| Tensor::cat(&[a, b], 1)))
            }
            None if conditions.is_empty() => Ok(of_time),
            None => Err(NetError::NoCondition.into()),
        }
    }
}

/// What a convolution makes of images, and of their derivatives.
fn convolved(x: &Jet, (weight, bias): &(Tensor, Tensor)) -> Result<Jet, Error> {
    let of = |x: &Tensor, bias: Option<&Tensor>| {
        Ok::<_, Error>(x.f_conv2d(weight, bias, [1, 1], [SIDE / 2, SIDE / 2], [1, 1], 1)?)
    };
    x.try_map(|x| of(x, Some(bias)), |d| of(d, None))
}

impl TimeNetwork for ConvNet {
    fn check_conditional(&self) -> Result<(), Error> {
        if self.condition.is_some() { Ok(()) } else { Err(Error::Unconditional) }
    }

    fn jet_given(&self, x: &Tensor, t: &Tensor, order: Order, conditions: &Conditions) -> Result<Jet, Error> {
        check_batch(x, t)?;
        let features = self.features(t, order, conditions)?;
        let mut h = Jet::constant(&self.config.seen(x)?);
        for (layer, moved) in self.layers.iter().zip(&self.moved) {
            let by = features.view(|f| f.linear(moved, None::<&Tensor>).unsqueeze(-1).unsqueeze(-1));
            let seen = convolved(&h, layer)?.plus(&by);
            h = match order {
                Order::Value => Jet::constant(&self.config.activation.apply(seen.value().shallow_clone())?),
                _ => self.config.activation.jet(&seen).ok_or(NetError::NotSmooth)?,
            };
        }
        let out = self.layers.last().map_or_else(|| Ok(h.view(Tensor::shallow_clone)), |last| convolved(&h, last))?;
        let pixels =
            |x: &Tensor| if self.config.stem == 1 { x.shallow_clone() } else { x.pixel_shuffle(self.config.stem) };
        Ok(out.view(|x| pixels(x).contiguous().flatten(1, -1)))
    }
}

time_function!(ConvNet);
