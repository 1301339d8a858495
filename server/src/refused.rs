//! Why a request was not done: the engine's and the providers' errors as problem documents.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use landlord_api::{Code, Problem, ProblemAt};
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::spec::SpecError;
use landlord_compute::machines::tenant::{Explanation, Tombstone};
use landlord_compute::provider::RegistryError;
use landlord_compute::store::StoreError;
use landlord_compute::{
    CommandError, DocumentError, ErrorCode, ErrorKind, Invalid, ProviderError, Rejection, StatusError,
    SweepError, WaitError,
};

/// The media type of a problem document.
const PROBLEM: &str = "application/problem+json";
/// After how many seconds a request that was too much may be sent again.
const AGAIN_AFTER: u32 = 1;

/// An answer that says why a request was not done.
#[derive(Debug)]
pub(crate) struct Refused(Box<Problem>);

impl Refused {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// The request changes something, and nobody here does.
    pub(crate) fn only_looks() -> Self {
        Self::new(Code::Store, "no engine runs here, so that nothing can be changed; start one")
    }

    pub(crate) fn no_tenant(tenant: &TenantId) -> Self {
        let problem =
            Problem::new(Code::TenantNotFound, format!("there is no tenant {tenant} in this store"));
        Problem { tenant_id: Some(tenant.clone()), ..problem }.into()
    }

    pub(crate) fn no_operation(id: OperationId) -> Self {
        Self::new(Code::OperationNotFound, format!("there is no operation {id} in this store"))
    }

    /// The tenant is gone; `left` is what was left when it was abandoned.
    pub(crate) fn gone(tombstone: &Tombstone, left: Vec<String>) -> Self {
        let retained = tombstone.retained.as_deref();
        let still_there = match retained {
            None => String::new(),
            Some(retained) => {
                let things = retained.lines().join(", ");
                format!("; what it retained is still at provider {}: {things}", retained.provider)
            }
        };
        let id = &tombstone.id;
        let problem =
            Problem::new(Code::TenantGone, format!("tenant {id} is gone: it was destroyed{still_there}"));
        Problem { tenant_id: Some(id.clone()), retained: retained.cloned(), left, ..problem }.into()
    }

    /// With why that is so, for a person.
    pub(crate) fn explained(mut self, explanation: Option<Explanation>) -> Self {
        self.0.explanation = explanation.map(Box::new);
        self
    }

    pub(crate) fn problem(self) -> Problem {
        *self.0
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let again = matches!(self.0.code, Code::Overloaded | Code::Store);
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        if again {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(AGAIN_AFTER));
        }
        response
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        let at = |problem: &landlord_compute::machines::spec::Problem| ProblemAt {
            path: problem.path.clone(),
            message: problem.message.clone(),
        };
        let problems = invalid.problems().iter().map(at).collect();
        Problem { problems, ..Problem::new(Code::InvalidSpec, invalid.to_string()) }.into()
    }
}

impl From<SpecError> for Refused {
    fn from(error: SpecError) -> Self {
        match error {
            SpecError::Invalid(invalid) => invalid.into(),
            error @ SpecError::TooLarge { .. } => Self::new(Code::TooLarge, error.to_string()),
            error @ SpecError::Malformed { .. } => Self::new(Code::InvalidSpec, error.to_string()),
        }
    }
}

impl From<RegistryError> for Refused {
    fn from(error: RegistryError) -> Self {
        Self::new(Code::ProviderNotFound, error.to_string())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Problem::of(Code::Store, &error).into()
    }
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        let code = match error {
            CommandError::Invalid(invalid) => return invalid.into(),
            CommandError::Provider(error) => return error.into(),
            CommandError::Rejected(Rejection::Protected) => Code::Protected,
            CommandError::Rejected(Rejection::RevisionMismatch { .. }) => Code::RevisionMismatch,
            CommandError::Rejected(_) => Code::Rejected,
            CommandError::RequestReused { .. } => Code::KeyReused,
            CommandError::Overloaded(_) => Code::Overloaded,
            CommandError::Store(_) => Code::Store,
            CommandError::Closed(_) => Code::Closed,
            CommandError::Defect | _ => Code::Defect,
        };
        Problem::of(code, &error).into()
    }
}

impl From<ProviderError> for Refused {
    fn from(error: ProviderError) -> Self {
        let code = match error.kind {
            ErrorKind::InvalidSpec => return Invalid::from(&error).into(),
            ErrorKind::TenantNotFound => Code::NothingRuns,
            ErrorKind::ProvisionFailed
            | ErrorKind::UpdateFailed
            | ErrorKind::DestroyFailed
            | ErrorKind::StatusFailed => match error.code {
                ErrorCode::ProviderTimeout => Code::PlatformTimeout,
                ErrorCode::ProviderUnavailable
                | ErrorCode::ResourceExhausted
                | ErrorCode::InvalidConfiguration
                | ErrorCode::ResourceNotFound
                | ErrorCode::PermissionDenied
                | ErrorCode::Conflict
                | ErrorCode::UnknownError => Code::Platform,
            },
        };
        Problem::of(code, &error).into()
    }
}

impl From<StatusError> for Refused {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::Provider(error) => error.into(),
            StatusError::Registry(error) => error.into(),
            StatusError::Store(error) => error.into(),
            other => Problem::of(Code::Defect, &other).into(),
        }
    }
}

impl From<WaitError> for Refused {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::Unknown(id) => Self::no_operation(id),
            WaitError::Store(error) => error.into(),
            error @ (WaitError::Closed { .. } | _) => Problem::of(Code::Closed, &error).into(),
        }
    }
}

impl From<DocumentError> for Refused {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Store(error) => error.into(),
            error @ DocumentError::Mismatch(_) => Problem::of(Code::Overloaded, &error).into(),
            error @ (DocumentError::Closed(_) | _) => Problem::of(Code::Closed, &error).into(),
        }
    }
}

impl From<SweepError> for Refused {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Registry(error) => error.into(),
            SweepError::Store(error) => error.into(),
            error @ SweepError::CannotList(_) => Problem::of(Code::NotSupported, &error).into(),
            error @ (SweepError::Platform { .. } | _) => Problem::of(Code::Platform, &error).into(),
        }
    }
}
