/// What can go wrong while measuring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// An error of a field.
    #[error(transparent)]
    Core(#[from] strait_core::Error),
    /// Points that no distance can be taken between.
    #[error(transparent)]
    Transport(#[from] strait_transport::TransportError),
    /// An error of the solver.
    #[error(transparent)]
    Ode(#[from] strait_ode::OdeError),
}
