//! The summary of a network: its layers and their cost, to be printed.

use std::fmt;

/// One layer: its name, what it does, what comes out of it for one sample, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// The dotted name of its parameters.
    pub name: String,
    /// What it does, in words.
    pub kind: String,
    /// The shape of its result for one sample.
    pub output: Vec<i64>,
    /// Trainable numbers.
    pub parameters: i64,
    /// Multiplications with an addition, for one sample, of its products alone: what is done entry by entry is left out.
    pub multiply_adds: i64,
}

/// The layers of a network in the order of their making.
///
/// ```
/// use strait_core::{Parameters, Seed};
/// use strait_nets::{Network, Unet, UnetConfig};
/// use tch::{Device, Kind};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let net = Unet::new(&UnetConfig::of([1, 28, 28]), &mut parameters.root())?;
/// let summary = net.summary();
/// assert_eq!(summary.parameters() as usize, parameters.count());
/// println!("{summary}"); // a line a layer, and the sums
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSummary {
    /// One entry a layer.
    pub layers: Vec<LayerSummary>,
}

impl NetworkSummary {
    /// Trainable numbers in all.
    pub fn parameters(&self) -> i64 {
        self.layers.iter().map(|layer| layer.parameters).sum()
    }

    /// Multiply-adds of one evaluation for one sample.
    pub fn multiply_adds(&self) -> i64 {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }
}

/// With a thin space in thousands: 1234567 is 1 234 567.
fn grouped(n: i64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for NetworkSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |layer: &LayerSummary| {
            let sides: Vec<String> = layer.output.iter().map(ToString::to_string).collect();
            sides.join("x")
        };
        let wide = |heading: &str, of: &dyn Fn(&LayerSummary) -> String| {
            self.layers.iter().map(|layer| of(layer).chars().count()).max().unwrap_or(0).max(heading.len())
        };
        let names = wide("layer", &|layer| layer.name.clone());
        let kinds = wide("kind", &|layer| layer.kind.clone());
        let shapes = wide("output", &shape);
        writeln!(
            f,
            "{:names$}  {:kinds$}  {:>shapes$}  {:>12}  {:>14}",
            "layer", "kind", "output", "parameters", "multiply-adds"
        )?;
        for layer in &self.layers {
            let (parameters, products) = (grouped(layer.parameters), grouped(layer.multiply_adds));
            let (name, kind, output) = (&layer.name, &layer.kind, shape(layer));
            writeln!(f, "{name:names$}  {kind:kinds$}  {output:>shapes$}  {parameters:>12}  {products:>14}")?;
        }
        let (parameters, products) = (grouped(self.parameters()), grouped(self.multiply_adds()));
        write!(f, "{:names$}  {:kinds$}  {:>shapes$}  {parameters:>12}  {products:>14}", "in all", "", "")
    }
}
