//! Whole specs.
