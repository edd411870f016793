//! The Strait program: train, sample, evaluate and report flows with learned interpolants.

pub mod report;
