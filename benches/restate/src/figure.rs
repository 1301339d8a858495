//! What is measured, printed as one JSON object a line: what the fleet benchmark reads.

use serde::Serialize;

/// One measurement.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    measure: String,
    unit: Unit,
    value: f64,
}

impl Figure {
    pub(crate) fn new(measure: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self { measure: measure.into(), unit, value }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    PerSecond,
    Seconds,
    Times,
}

/// Prints to stdout, where nothing else goes.
pub(crate) fn print(figures: &[Figure]) -> anyhow::Result<()> {
    for figure in figures {
        println!("{}", serde_json::to_string(figure)?);
    }
    Ok(())
}
