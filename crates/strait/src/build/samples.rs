use strait_core::ConditionKind;

/// What a model is built for.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Their shape, without the batch.
    pub event: &'a [i64],
    /// The kind of their condition, where they have one.
    pub condition: Option<ConditionKind>,
}

impl<'a> Samples<'a> {
    /// Of a shape, under no condition.
    pub fn of(event: &'a [i64]) -> Self {
        Self { event, condition: None }
    }

    /// The kind of the condition, for a network that is to see it or not.
    pub(super) fn seen(&self, conditioned: bool) -> Option<ConditionKind> {
        self.condition.filter(|_| conditioned)
    }
}
