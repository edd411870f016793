//! What samples are compared with: the points that every method of a run is measured with.

use super::classes::{self, ClassReference};
use super::features::Features;
use super::scores::{FeatureReference, Metric, Scores, floor};
use crate::ProgramError;
use crate::build::ImageDisplay;
use crate::config::EvaluateConfig;
use crate::run::ranks::Ranks;
use crate::training::context::RunContext;
use strait_core::{Conditions, Split, VelocityField, event_size};
use strait_metrics::distances;
use tch::{Kind, Tensor};

/// The points that every method of a run is measured with: the same source points, the same reference.
pub struct Reference {
    /// How samples are made and measured.
    pub settings: EvaluateConfig,
    /// Source points: n, and more behind them where features ask for more samples, (N, ...).
    pub x0: Tensor,
    /// What the source points are carried under, (N, ...): the conditions of the real points, over and over.
    pub conditions: Conditions,
    /// Real points in normalised units, (n, ...).
    pub points: Tensor,
    /// The same in the data's units.
    pub data: Tensor,
    /// The real points by class, where they have classes.
    pub classes: Vec<ClassReference>,
    /// What samples are compared with in features, where the data have a feature map.
    pub features: Option<FeatureReference>,
    /// The scores of real points that are not the reference.
    pub floor: Scores,
    /// $W_2^2$ between source and data, in normalised units, of as many points as the floor's distances.
    pub transport: f64,
    /// How samples are shown, where they are images.
    pub picture: Option<ImageDisplay>,
    /// What `points` are, in words.
    pub name: String,
    /// The processes that draw the samples of a measurement together.
    pub ranks: Ranks,
}

impl Reference {
    /// Draws the points of a run's evaluation.
    ///
    /// # Errors
    /// Those of the data and the distances.
    pub fn new(context: &RunContext, settings: &EvaluateConfig) -> Result<Self, ProgramError> {
        let (data, split) = (&context.data, settings.split.split());
        let set = &*data.points;
        let stream = context.seed.stream("evaluation");
        // The floor is of as many training points.
        let held = [split, Split::Train].into_iter().filter_map(|split| set.len(split)).min();
        let n = held.map_or(settings.samples, |held| held.min(settings.samples));
        let (points, conditions) = set.conditional_points(split, n, &mut stream.stream("reference").at(0))?;
        let in_units = set.denormalise(&points)?;
        let features = Features::new(settings, data)?;
        let features = features.map(|map| FeatureReference::new(map, data, &in_units)).transpose()?;
        let most = if features.is_some() { settings.samples.max(n) } else { n };
        let mut draws = stream.stream("source").at(0);
        let x0 = context.source.sample(most, &mut draws, points.kind(), context.device)?;
        let classes = classes::references(context, split, &points, &conditions)?;
        let over_and_over = Tensor::f_arange(most, (Kind::Int64, context.device))?.f_remainder(n)?;
        let conditions = conditions.gather(&over_and_over)?;
        let other = set.points(Split::Train, n, &mut stream.stream("floor").at(0))?;
        let floor = floor(&set.denormalise(&other)?, &in_units, features.as_ref(), most)?;
        let paired = floor.samples;
        let transport = distances(&x0.narrow(0, 0, paired), &points.narrow(0, 0, paired))?.w2.powi(2);
        let mut name = format!("{n} {} points of {}", split.name(), set.name());
        if let Some(features) = &features {
            name = format!("{name}; features: {}", features.name());
        }
        Ok(Self {
            settings: settings.clone(),
            x0,
            conditions,
            points,
            data: in_units,
            classes,
            features,
            floor,
            transport,
            picture: data.picture,
            name,
            ranks: Ranks::default(),
        })
    }

    /// The same for a measurement whose samples several ranks draw, each its share.
    pub fn among(self, ranks: &Ranks) -> Self {
        Self { ranks: ranks.clone(), ..self }
    }

    /// The distance that judges.
    pub fn leading(&self) -> Metric {
        Metric::leading(&self.floor, event_size(&self.data))
    }

    /// A field under the conditions of the first `n` source points; the field itself where there are none.
    ///
    /// # Errors
    /// `Unconditional` for a field that takes none.
    pub fn bound<'f>(&self, field: &'f dyn VelocityField, n: i64) -> Result<Box<dyn VelocityField + 'f>, ProgramError> {
        bound(field, &self.conditions.part(0, n)?)
    }

    /// As many source points as there are reference points, (n, ...).
    pub fn sources(&self) -> Tensor {
        self.x0.narrow(0, 0, self.points.size()[0])
    }
}

/// A field under conditions; the field itself where there are none.
///
/// # Errors
/// `Unconditional` for a field that takes none.
pub(super) fn bound<'f>(
    field: &'f dyn VelocityField,
    conditions: &Conditions,
) -> Result<Box<dyn VelocityField + 'f>, ProgramError> {
    if conditions.is_empty() { Ok(Box::new(field)) } else { Ok(field.given(conditions)?) }
}
