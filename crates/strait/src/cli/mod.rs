//! The commands: each joins the stages into what it is for.

pub mod compare;
mod condition_args;
mod config_of;
pub mod evaluate;
pub mod features;
pub mod inspect;
mod one_step;
pub mod report;
mod run_report;
pub mod sample;
pub mod train;
mod watch;
