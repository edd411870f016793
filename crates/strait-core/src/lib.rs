//! The vocabulary of Strait: traits, records, errors and seeds for flow matching with learned interpolants.
