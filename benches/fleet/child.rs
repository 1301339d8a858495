//! Every measurement is a process of its own, so that nothing of another one's heap or caches is in it.

use std::process::Stdio;

use crate::parameters::Parameters;
use crate::subjects::{self, Subject, Unmeasurable};
use crate::workloads::Workload;
use landlord_benchmark_page::Figure;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError {
    #[error(transparent)]
    Unmeasurable(#[from] Unmeasurable),
    #[error("{command} could not be started: {cause}")]
    Start { command: String, cause: std::io::Error },
    #[error("{command} failed ({status}):\n{errors}")]
    Failed { command: String, status: std::process::ExitStatus, errors: String },
    #[error("{command} printed what is no figure: {line:?} ({cause})")]
    NoFigure { command: String, line: String, cause: serde_json::Error },
    #[error("{command} printed no figures")]
    Nothing { command: String },
}

/// Runs a workload once in a process of its own, and reads its figures.
pub(crate) fn figures(
    workload: Workload,
    subject: Subject,
    parameters: &Parameters,
) -> Result<Vec<Figure>, ChildError> {
    let mut command = subjects::command(subject, workload, parameters)?;
    let words = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|cause| ChildError::Start { command: words.clone(), cause })?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ChildError::Failed { command: words, status: output.status, errors });
    }
    let mut figures = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match serde_json::from_str(line) {
            Ok(figure) => figures.push(figure),
            Err(cause) => return Err(ChildError::NoFigure { command: words, line: line.to_owned(), cause }),
        }
    }
    if figures.is_empty() {
        return Err(ChildError::Nothing { command: words });
    }
    Ok(figures)
}
