//! The example of a user's own objective: it finds the median displacement of the pairs, not the mean.

#[path = "../examples/own_objective.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod example;

#[test]
fn an_objective_of_ones_own_is_lowered() {
    let found = example::fitted().unwrap();
    assert!((found - 1.0).abs() < 0.05, "{found}");
}
