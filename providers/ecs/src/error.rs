//! What the errors of AWS mean for a tenant. A class comes from AWS's code; from its words only where it has no code.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecs::config::http::HttpResponse;
use aws_sdk_ecs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::RequestId;
use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::CallError;

/// How long ECS is left alone when it throttles and does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// Stands for a code where ECS answered, but not all of it.
const PARTIAL: &str = "failures";

/// AWS's code where there is no such cluster.
pub(super) const NO_CLUSTER: &str = "ClusterNotFoundException";

/// The longest piece of another system's message that is kept, in characters.
const WORDS: usize = 1_000;

/// Why a request brought no answer that can be used.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// AWS's code, where it answered with one.
    code: Option<String>,
    /// Whether AWS asked for fewer requests.
    pub(super) throttled: bool,
    error: Box<CallError>,
}

/// What was asked, for the words of an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// AWS's name of the request.
    pub(super) api: &'a str,
    /// The cluster it is about.
    pub(super) cluster: &'a str,
}

impl Failure {
    /// AWS's code, for a trace.
    pub(super) fn status(&self) -> &str {
        self.code.as_deref().unwrap_or("unanswered")
    }

    /// What an error of the SDK means.
    pub(super) fn of<E>(asked: Asked<'_>, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let refusal = Refusal {
                    status,
                    code: answer.err().code(),
                    words: answer.err().message().unwrap_or_default(),
                    request: error.request_id(),
                    pause: retry_after(answer.raw()),
                };
                refusal.failure(asked)
            }
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                let (words, request) = (chain(error), error.request_id());
                match status {
                    // A refusal all the same, in a format that is not the protocol's.
                    400..500 => {
                        let pause = retry_after(answer.raw());
                        Refusal { status, code: None, words: &words, request, pause }.failure(asked)
                    }
                    _ => {
                        let words = with_request(words, request);
                        Self::unknown(
                            asked,
                            ErrorCode::ProviderUnavailable,
                            "its answer cannot be read",
                            words,
                        )
                    }
                }
            }
            SdkError::TimeoutError(_) => Self::unknown(
                asked,
                ErrorCode::ProviderTimeout,
                "there was no answer in the time that it had",
                chain(error),
            ),
            SdkError::DispatchFailure(failure) => match credentials(error) {
                Some(_) => Self::no_credentials(asked, error),
                None if failure.is_timeout() => Self::unknown(
                    asked,
                    ErrorCode::ProviderTimeout,
                    "it was not reached in time",
                    chain(error),
                ),
                None => Self::unknown(
                    asked,
                    ErrorCode::ProviderUnavailable,
                    "it was not reached, or the connection broke",
                    chain(error),
                ),
            },
            SdkError::ConstructionFailure(_) => match credentials(error) {
                Some(_) => Self::no_credentials(asked, error),
                None => Self::not_sent(asked, error),
            },
            other => Self::not_sent(asked, other),
        }
    }

    /// A request that cannot be put together.
    pub(super) fn not_built(asked: Asked<'_>, error: &BuildError) -> Self {
        Self::not_sent(asked, error)
    }

    /// ECS answered, but not with what it should have.
    pub(super) fn incomplete(asked: Asked<'_>, what: &str) -> Self {
        let words = format!("the answer has no {what}");
        Self::unknown(asked, ErrorCode::ProviderUnavailable, "its answer cannot be read", words)
    }

    /// Something of a request that ECS reported to have failed while it answered the request itself.
    pub(super) fn partial(asked: Asked<'_>, reason: &str, detail: Option<&str>) -> Self {
        let words = detail.map_or_else(|| reason.to_owned(), |detail| format!("{reason}: {detail}"));
        let (remedy, code, what) = match reason {
            "ACCESS_DENIED" => (Remedy::NeedsPerson, ErrorCode::PermissionDenied, "grant it, then retry"),
            _ => (Remedy::Retry, ErrorCode::UnknownError, "it may pass"),
        };
        Self::refused(
            Some(PARTIAL),
            error(remedy, code, format!("{}: {what}", asked.api)).with_platform(words),
        )
    }

    /// A request that never went out.
    pub(super) fn kept(error: ProviderError) -> Self {
        Self::refused(None, error)
    }

    /// Whether it is about what was asked for, so that a part of it may be answered alone.
    pub(super) fn is_about_input(&self) -> bool {
        [PARTIAL, "InvalidParameterException", "ClientException"].iter().any(|code| self.is(code))
    }

    /// Whether AWS answered with this code.
    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    fn refused(code: Option<&str>, error: ProviderError) -> Self {
        Self { code: code.map(str::to_owned), throttled: false, error: Box::new(CallError::Refused(error)) }
    }

    fn unknown(asked: Asked<'_>, code: ErrorCode, what: &str, words: String) -> Self {
        let message = format!("{}: {what}; it is tried again", asked.api);
        let error = error(Remedy::Retry, code, message).with_platform(words);
        Self { code: None, throttled: false, error: Box::new(CallError::Unknown(error)) }
    }

    fn not_sent(asked: Asked<'_>, cause: &(dyn StdError + 'static)) -> Self {
        let message =
            format!("{}: the request was not sent; correct what AWS's SDK complains about", asked.api);
        let error = error(Remedy::NeedsPerson, ErrorCode::InvalidConfiguration, message);
        Self::refused(None, error.with_platform(chain(cause)))
    }

    /// Nothing was sent, because there are no credentials to sign it with.
    fn no_credentials(asked: Asked<'_>, cause: &(dyn StdError + 'static)) -> Self {
        let words = chain(cause);
        let refused = |remedy, code, what: &str| {
            let message = format!("{}: {what}", asked.api);
            Self::refused(None, error(remedy, code, message).with_platform(words.clone()))
        };
        match credentials(cause) {
            // The source of the credentials did not answer, or is overloaded: that passes.
            Some(CredentialsError::ProviderTimedOut(_)) => refused(
                Remedy::Retry,
                ErrorCode::ProviderTimeout,
                "the credentials did not come in time; it is tried again",
            ),
            Some(CredentialsError::ProviderError(_)) if !sts_refused(cause) => refused(
                Remedy::Retry,
                ErrorCode::ProviderUnavailable,
                "who gives the credentials cannot be asked; it is tried again",
            ),
            Some(CredentialsError::ProviderError(_)) => refused(
                Remedy::NeedsPerson,
                ErrorCode::PermissionDenied,
                "AWS does not give the role's session; let its trust policy name the engine's identity and the \
                 external_id, and let that identity call sts:AssumeRole",
            ),
            Some(_) | None => refused(
                Remedy::NeedsPerson,
                ErrorCode::PermissionDenied,
                "there are no AWS credentials; give the engine some (environment, profile, or the role of its \
                 machine), then retry",
            ),
        }
    }

    /// The error itself, whether anything happened or not.
    pub(super) fn into_error(self) -> ProviderError {
        match *self.error {
            CallError::Refused(error) | CallError::Unknown(error) => error,
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}

/// An answer of AWS that says no.
struct Refusal<'a> {
    status: u16,
    code: Option<&'a str>,
    words: &'a str,
    request: Option<&'a str>,
    pause: Option<Duration>,
}

/// What a refusal means.
enum Class {
    /// Too many requests.
    Throttled,
    /// AWS has trouble of its own: it may have happened.
    Theirs(ErrorCode),
    /// It did not happen.
    Ours(Remedy, ErrorCode, &'static str),
}

impl Refusal<'_> {
    fn failure(self, asked: Asked<'_>) -> Failure {
        let code = self.code.map(str::to_owned);
        let api = asked.api;
        let platform = self.platform();
        match self.class() {
            Class::Throttled => {
                let pause = self.pause.unwrap_or(PAUSE);
                let message = format!("{api}: AWS asks for fewer requests; it is tried again");
                let error = ProviderError::throttled(ErrorKind::ProvisionFailed, pause, message);
                Failure {
                    code,
                    throttled: true,
                    error: Box::new(CallError::Refused(error.with_platform(platform))),
                }
            }
            Class::Theirs(class) => {
                let message = format!("{api}: AWS has trouble of its own; it is tried again");
                let mut error = error(Remedy::Retry, class, message).with_platform(platform);
                error.retry_after = self.pause;
                Failure { code, throttled: false, error: Box::new(CallError::Unknown(error)) }
            }
            Class::Ours(remedy, class, what) => {
                let about = match class {
                    ErrorCode::ResourceNotFound => format!("{api}, cluster {}", asked.cluster),
                    ErrorCode::ProviderTimeout
                    | ErrorCode::ProviderUnavailable
                    | ErrorCode::ResourceExhausted
                    | ErrorCode::InvalidConfiguration
                    | ErrorCode::PermissionDenied
                    | ErrorCode::Conflict
                    | ErrorCode::UnknownError => api.to_owned(),
                };
                let mut error = error(remedy, class, format!("{about}: {what}")).with_platform(platform);
                error.retry_after = self.pause;
                Failure { code, throttled: false, error: Box::new(CallError::Refused(error)) }
            }
        }
    }

    /// AWS's code and words, and what its support asks for.
    fn platform(&self) -> String {
        let code = self.code.map_or_else(|| format!("HTTP {}", self.status), str::to_owned);
        let words = match self.words {
            "" => code,
            words => format!("{code}: {}", shortened(words)),
        };
        with_request(words, self.request)
    }

    fn class(&self) -> Class {
        use ErrorCode as Is;
        use Remedy::{NeedsPerson, Permanent, Retry};
        let by_words = self.by_words();
        match self.code.unwrap_or_default() {
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "BandwidthLimitExceeded"
            | "SlowDown" => Class::Throttled,
            "RequestTimeout" | "RequestTimeoutException" => Class::Theirs(Is::ProviderTimeout),
            "ServerException"
            | "InternalFailure"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Class::Theirs(Is::ProviderUnavailable),
            _ if self.status >= 500 => Class::Theirs(match self.status {
                504 => Is::ProviderTimeout,
                _ => Is::ProviderUnavailable,
            }),
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "OptInRequired" => {
                Class::Ours(
                    NeedsPerson,
                    Is::PermissionDenied,
                    "the engine's identity may not; allow it in IAM, then retry",
                )
            }
            "BlockedException" => Class::Ours(
                NeedsPerson,
                Is::PermissionDenied,
                "AWS has blocked the account; talk to its support, then retry",
            ),
            "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Class::Ours(
                NeedsPerson,
                Is::PermissionDenied,
                "the credentials have expired; renew them, then retry",
            ),
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException" => Class::Ours(
                NeedsPerson,
                Is::PermissionDenied,
                "AWS does not know the credentials; give the engine others, then retry",
            ),
            "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException" => Class::Ours(
                NeedsPerson,
                Is::PermissionDenied,
                "AWS does not take the signature; correct the secret key, and the machine's clock, then retry",
            ),
            "LimitExceededException"
            | "AttributeLimitExceededException"
            | "ServiceQuotaExceededException" => Class::Ours(
                NeedsPerson,
                Is::ResourceExhausted,
                "a quota is used up; have it raised, then retry",
            ),
            NO_CLUSTER => Class::Ours(
                NeedsPerson,
                Is::ResourceNotFound,
                "there is no such cluster in the region; make it, or correct provider_config.cluster",
            ),
            "ServiceNotFoundException" | "ServiceNotActiveException" => Class::Ours(
                Retry,
                Is::ResourceNotFound,
                "the service is not there any more; it is looked up again",
            ),
            "ResourceNotFoundException" | "ServiceDeploymentNotFoundException" => {
                Class::Ours(Retry, Is::ResourceNotFound, "it is not there any more; it is looked up again")
            }
            "NamespaceNotFoundException" | "TargetNotFoundException" => Class::Ours(
                NeedsPerson,
                Is::ResourceNotFound,
                "what the configuration refers to is not there; make it, or correct the configuration",
            ),
            "ConflictException" | "ResourceInUseException" | "UpdateInProgressException" => {
                Class::Ours(Retry, Is::Conflict, "something else is being done with it; it is tried again")
            }
            "InvalidParameterException" | "ClientException" => match by_words {
                Some(class) => class,
                None => Class::Ours(
                    Permanent,
                    Is::InvalidConfiguration,
                    "ECS cannot take it; correct the spec as AWS says",
                ),
            },
            "PlatformUnknownException"
            | "PlatformTaskDefinitionIncompatibilityException"
            | "UnsupportedFeatureException"
            | "ValidationException"
            | "SerializationException"
            | "UnknownOperationException"
            | "InvalidAction" => Class::Ours(
                Permanent,
                Is::InvalidConfiguration,
                "ECS does not have that there; correct the spec as AWS says",
            ),
            _ => match self.status {
                408 => Class::Theirs(Is::ProviderTimeout),
                429 => Class::Throttled,
                401 | 403 => Class::Ours(
                    NeedsPerson,
                    Is::PermissionDenied,
                    "the engine's identity may not; allow it in IAM, then retry",
                ),
                _ => Class::Ours(
                    NeedsPerson,
                    Is::UnknownError,
                    "AWS refuses it; correct what it says, then retry",
                ),
            },
        }
    }

    /// `InvalidParameterException` and `ClientException` stand for many things that AWS tells apart by words alone.
    /// These are the ones that pass, or that are about somebody else's service; all others are about the request.
    fn by_words(&self) -> Option<Class> {
        use ErrorCode as Is;
        let has = |words: &str| self.words.contains(words);
        if has("still Draining") {
            let what = "an earlier service of the name is still going; it is tried again";
            Some(Class::Ours(Remedy::Retry, Is::Conflict, what))
        } else if has("was not idempotent") {
            let what = "a service of the name exists with other parameters; it is looked up again";
            Some(Class::Ours(Remedy::Retry, Is::Conflict, what))
        } else if has("Too many concurrent attempts") {
            let what = "another revision of the family is being registered; it is tried again";
            Some(Class::Ours(Remedy::Retry, Is::Conflict, what))
        } else if has("while deployments are active") || has("deployment in progress") {
            let what = "a deployment is going on; it is tried again";
            Some(Class::Ours(Remedy::Retry, Is::Conflict, what))
        } else {
            None
        }
    }
}

/// What kind of error it is for the caller, the driver says.
fn error(remedy: Remedy, code: ErrorCode, message: String) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, remedy, code, message)
}

/// The error of the credentials that is behind another one.
fn credentials<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Whether the security token service answered, and with a no that stays.
fn sts_refused(error: &(dyn StdError + 'static)) -> bool {
    let refused = |code: &str| {
        code.starts_with("AccessDenied")
            || code.starts_with("ExpiredToken")
            || code.starts_with("InvalidClientTokenId")
            || code.starts_with("UnrecognizedClient")
            || code.starts_with("SignatureDoesNotMatch")
            || code.starts_with("ValidationError")
    };
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<aws_sdk_sts::operation::assume_role::AssumeRoleError>())
        .any(|error| error.code().is_some_and(refused))
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error and its causes, in their own words.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = causes(error).map(ToString::to_string).collect();
    words.dedup();
    shortened(&words.join(": "))
}

fn with_request(words: String, request: Option<&str>) -> String {
    match request {
        Some(request) => format!("{words} (request {request})"),
        None => words,
    }
}

fn shortened(words: &str) -> String {
    words.chars().take(WORDS).collect()
}

/// How long the answer asks to be left alone.
fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let header = |name| answer.headers().get(name)?.trim().parse::<u64>().ok();
    let milliseconds = header("x-amz-retry-after").map(Duration::from_millis);
    milliseconds.or_else(|| header("retry-after").map(Duration::from_secs))
}
