//! The commands: each joins the stages into what it is for.

mod asked;
pub mod compare;
mod config_of;
pub mod evaluate;
pub mod features;
pub mod inspect;
mod report;
pub mod sample;
pub mod side_by_side;
pub mod train;
mod watch;
