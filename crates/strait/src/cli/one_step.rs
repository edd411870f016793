//! What a velocity that is one step of a flow cannot follow of how samples are asked for.

use crate::config::Config;
use tracing::warn;

/// Says before any work which of what was asked for, each with whether it was, is passed over.
pub(super) fn say_passed_over(config: &Config, asked: &[(&str, bool)]) {
    let given: Vec<&str> = asked.iter().filter_map(|(what, is_asked)| is_asked.then_some(*what)).collect();
    if config.velocity.kind().is_one_step && !given.is_empty() {
        let given = given.join(" and ");
        warn!("its velocity is one step of a flow: a sample takes 1 evaluation, whatever {given} says");
    }
}
