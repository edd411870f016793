/// What every bijection must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// It can be built for the case, and neither direction fails.
    Runs,
    /// As many numbers come out as go in, batch first, and the log-determinant is (B,).
    Shape,
    /// Every value is finite.
    Finite,
    /// The same input has the same output to the bit, whatever was called in between: nothing initialises itself.
    Pure,
    /// One sample alone comes out as the same sample in a batch.
    BatchSplit,
    /// $f^{-1}(f(x)) = x$ and $f(f^{-1}(y)) = y$, within $10^{-10}$.
    RoundTrip,
    /// The two directions' log-determinants at corresponding points are opposite.
    Opposite,
    /// The log-determinant of each sample is that of the autograd Jacobian, within $10^{-8}$, in both directions.
    LogDet,
    /// Along one random direction in the input, the condition and all parameters at once, the gradients of value and
    /// log-determinant are their central difference, in both directions. At a time of 0 or 1 that in t need only be
    /// finite.
    Gradient,
    /// The forward-mode derivatives of value and log-determinant along $(\dot x, \dot t)$ are the reverse-mode ones,
    /// and that of the value can itself be differentiated.
    ForwardMode,
    /// `push`, where a layer has it, is the image of a point that moves with two derivatives: those of libtorch.
    Push,
    /// Another instance that is given the same parameters by name has the same output to the bit.
    Restore,
    /// Another one in float32, with the same parameters and inputs, has outputs of its own kind, those of float64
    /// within 0.05: as many of its digits as `RoundTrip` asks for.
    SinglePrecision,
}

impl Law {
    /// Every law, in the order in which they are held against a case.
    pub const ALL: [Law; 13] = [
        Law::Runs,
        Law::Shape,
        Law::Finite,
        Law::Pure,
        Law::BatchSplit,
        Law::RoundTrip,
        Law::Opposite,
        Law::LogDet,
        Law::Gradient,
        Law::ForwardMode,
        Law::Push,
        Law::Restore,
        Law::SinglePrecision,
    ];
}
