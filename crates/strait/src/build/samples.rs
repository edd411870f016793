use crate::config::ConfigError;
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

    /// Channels, height and width of samples that are images, for what a key of the config makes.
    /// Samples with their channels last would be stripes.
    pub(super) fn image(&self, key: &str) -> Result<[i64; 3], ConfigError> {
        let must = format!("for images of channels, height and width; these samples have shape {:?}", self.event);
        let image: [i64; 3] = self.event.try_into().map_err(|_| ConfigError::Value { key: key.into(), must })?;
        match image {
            [h, w, c @ (1 | 3)] if ![1, 3].contains(&h) => {
                let must = format!("given, as [{c}, {h}, {w}]: samples of shape {image:?} have their channels last");
                Err(ConfigError::Value { key: "data.image".into(), must })
            }
            image => Ok(image),
        }
    }

    /// The kind of the condition, for a network that is to see it or not.
    pub(super) fn seen(&self, conditioned: bool) -> Option<ConditionKind> {
        self.condition.filter(|_| conditioned)
    }
}
