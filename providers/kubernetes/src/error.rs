//! What the errors of an API server mean for a tenant. A class comes from the code, the reason and the causes of an answer; from
//! its words only where it has nothing else.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::time::Duration;

use landlord_state_machines::error::{ErrorCode, ErrorKind, ProviderError, Remedy};
use landlord_state_machines::planner::CallError;
use landlord_state_machines::planner::kubernetes::FieldConflict;

use super::request::Ask;
use super::status::Refusal;
use super::words;

/// How long the server is left alone when it wants fewer requests and does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a request brought no answer that can be used.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What it says about what was asked for.
    pub(super) why: Why,
    error: Box<CallError>,
}

/// What a failure says about what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// One of that name is there already.
    Exists,
    /// There is no such object.
    NotThere,
    /// The namespace that it should be in is not there, or is going.
    NoNamespace,
    /// The cluster does not have the kind in this version.
    NoKind,
    /// Fields are other managers'.
    FieldConflicts(BTreeSet<FieldConflict>),
    /// The object is another one than was meant, or it has changed since.
    NotAsMeant,
    /// The object that it would become cannot be.
    Invalid,
    /// The credentials are not known, or not any more.
    Unauthorized,
    /// The engine may not do it.
    Forbidden,
    /// The server wants fewer requests for this long.
    Throttled(Duration),
    /// What was asked for has been too long ago: the server does not have it any more.
    Expired,
    /// The server does not take it as it is, such as a question for the log of a container that has not begun.
    BadRequest,
    /// It cannot be tried without doing it, for this reason.
    NotTried(String),
    /// Nothing that matters here.
    Other,
}

/// What an answer means.
struct Class {
    why: Why,
    happened: Happened,
    remedy: Remedy,
    code: ErrorCode,
    what: String,
}

/// Whether what was asked for can have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happened {
    No,
    Perhaps,
}

impl Failure {
    /// What an answer means that says no.
    pub(super) fn of(ask: &Ask, refusal: &Refusal) -> Self {
        let class = class(ask, refusal);
        let message = format!("{ask}: {}", class.what);
        let mut error = error(class.remedy, class.code, message).with_platform(refusal.words());
        error.retry_after = match class.why {
            Why::Throttled(pause) => Some(pause),
            Why::Exists
            | Why::NotThere
            | Why::NoNamespace
            | Why::NoKind
            | Why::FieldConflicts(_)
            | Why::NotAsMeant
            | Why::Invalid
            | Why::Unauthorized
            | Why::Forbidden
            | Why::Expired
            | Why::BadRequest
            | Why::NotTried(_)
            | Why::Other => refusal.pause,
        };
        Self::with(class.why, class.happened, error)
    }

    /// A refusal of what the API server allows: nothing has happened.
    pub(super) fn passing(self, ask: &Ask) -> Self {
        let message = format!(
            "{ask}: the API server has refused what it allows, as one that starts does; it is tried again"
        );
        let mut error = error(Remedy::Retry, ErrorCode::ProviderUnavailable, message);
        error.platform = self.into_error().platform;
        Self::kept(error)
    }

    /// There was no answer in time.
    pub(super) fn late(ask: &Ask, within: Duration) -> Self {
        let message =
            format!("{ask}: the API server did not answer within {within:?}; it is looked up again");
        Self::with(Why::Other, Happened::Perhaps, error(Remedy::Retry, ErrorCode::ProviderTimeout, message))
    }

    /// The credentials did not come in time, so nothing went out.
    pub(super) fn no_client(ask: &Ask, within: Duration) -> Self {
        let message = format!(
            "{ask}: the credentials for the cluster did not come within {within:?}; it is tried again"
        );
        Self::with(Why::Other, Happened::No, error(Remedy::Retry, ErrorCode::ProviderTimeout, message))
    }

    /// The answer cannot be read.
    pub(super) fn unreadable(ask: &Ask, words: impl Into<String>) -> Self {
        let message = format!("{ask}: the answer cannot be read; it is looked up again");
        let error = error(Remedy::Retry, ErrorCode::ProviderUnavailable, message);
        Self::with(Why::Other, Happened::Perhaps, error.with_platform(words))
    }

    /// The connection broke, or was never there.
    pub(super) fn of_transport(ask: &Ask, address: &str, error: &kube::Error) -> Self {
        // Its own words may have what a plugin printed, with a token.
        if let Some(auth) = words::causes(error).find_map(|cause| cause.downcast_ref()) {
            return Self::no_credentials(&ask.to_string(), auth);
        }
        let words = words::chain(error);
        if is_not_trusted(&words) {
            let message = format!(
                "{ask}: the certificate of the API server at {address} is not one that the kubeconfig trusts; correct its \
                 certificate-authority or its server, then retry"
            );
            let error = self::error(Remedy::NeedsPerson, ErrorCode::InvalidConfiguration, message);
            return Self::with(Why::Other, Happened::No, error.with_platform(words));
        }
        let (happened, what) = match is_connect(error) {
            true => {
                (Happened::No, format!("the API server at {address} cannot be reached; it is tried again"))
            }
            false => {
                let what =
                    format!("the connection to the API server at {address} broke; it is looked up again");
                (Happened::Perhaps, what)
            }
        };
        let error = self::error(Remedy::Retry, ErrorCode::ProviderUnavailable, format!("{ask}: {what}"));
        Self::with(Why::Other, happened, error.with_platform(words))
    }

    /// There are no credentials to ask with. What a plugin printed on its standard output is left out, as that is where its token
    /// comes.
    pub(super) fn no_credentials(asked: &str, auth: &kube::client::AuthError) -> Self {
        use kube::client::AuthError;
        let (remedy, code, what, words) = match auth {
            AuthError::AuthExecRun { cmd, out } => {
                let said = words::shortened(String::from_utf8_lossy(&out.stderr).trim());
                let what = "the kubeconfig's exec plugin gives no credentials; log it in, or correct it; it is tried again";
                let words = format!("{cmd}: {}: {said}", out.status);
                (Remedy::Retry, ErrorCode::PermissionDenied, what, words)
            }
            // What cannot be parsed may have a token in it.
            AuthError::AuthExecParse(_) => (
                Remedy::NeedsPerson,
                ErrorCode::InvalidConfiguration,
                "the kubeconfig's exec plugin prints no ExecCredential; correct its arguments, then retry",
                String::new(),
            ),
            AuthError::AuthExecStart(_) => (
                Remedy::NeedsPerson,
                ErrorCode::InvalidConfiguration,
                "the kubeconfig's exec plugin cannot be started; install it where the engine runs, then retry",
                words::chain(auth),
            ),
            AuthError::InvalidBasicAuth(_)
            | AuthError::InvalidBearerToken(_)
            | AuthError::UnrefreshableTokenResponse
            | AuthError::ExecPluginFailed
            | AuthError::MalformedTokenExpirationDate(_)
            | AuthError::AuthExecSerialize(_)
            | AuthError::AuthExec(_)
            | AuthError::ReadTokenFile(..)
            | AuthError::ParseTokenKey(_)
            | AuthError::MissingCommand
            | AuthError::ExecMissingClusterInfo
            | AuthError::NoValidNativeRootCA(_) => (
                Remedy::NeedsPerson,
                ErrorCode::PermissionDenied,
                "there are no credentials for the cluster; correct the kubeconfig's user, then retry",
                words::chain(auth),
            ),
        };
        let mut error = error(remedy, code, format!("{asked}: {what}"));
        error.platform = Some(words).filter(|words| !words.is_empty());
        Self::with(Why::Other, Happened::No, error)
    }

    /// A request that never went out.
    pub(super) fn kept(error: ProviderError) -> Self {
        Self::with(Why::Other, Happened::No, error)
    }

    /// A request that cannot be put together.
    pub(super) fn not_built(ask: &Ask, cause: &(dyn StdError + 'static)) -> Self {
        let message = format!("{ask}: the request cannot be put together; correct the name in it");
        let error = error(Remedy::Permanent, ErrorCode::InvalidConfiguration, message);
        Self::kept(error.with_platform(words::chain(cause)))
    }

    /// The error itself, whether anything happened or not.
    pub(super) fn into_error(self) -> ProviderError {
        match *self.error {
            CallError::Refused(error) | CallError::Unknown(error) => error,
        }
    }

    fn with(why: Why, happened: Happened, error: ProviderError) -> Self {
        let error = match happened {
            Happened::No => CallError::Refused(error),
            Happened::Perhaps => CallError::Unknown(error),
        };
        Self { why, error: Box::new(error) }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}

fn class(ask: &Ask, refusal: &Refusal) -> Class {
    match refusal.code {
        401 => refused(
            Why::Unauthorized,
            Remedy::NeedsPerson,
            ErrorCode::PermissionDenied,
            "the cluster does not know the engine's credentials; renew them, then retry",
        ),
        403 => forbidden(ask, refusal),
        404 => not_found(ask, refusal),
        408 | 504 => perhaps(ErrorCode::ProviderTimeout, "the API server gave up; it is looked up again"),
        409 => conflict(refusal),
        410 => refused(
            Why::Expired,
            Remedy::Retry,
            ErrorCode::ProviderUnavailable,
            "the API server does not have the rest of the list any more; it is listed again",
        ),
        413 => too_large(),
        422 => unprocessable(refusal),
        429 => {
            let pause = refusal.pause.unwrap_or(PAUSE);
            refused(
                Why::Throttled(pause),
                Remedy::Retry,
                ErrorCode::ResourceExhausted,
                "the API server wants fewer requests; it is tried again",
            )
        }
        500 => internal(refusal),
        501.. => {
            perhaps(ErrorCode::ProviderUnavailable, "the API server cannot serve; it is looked up again")
        }
        400 => bad_request(refusal),
        _ => refused(
            Why::Other,
            Remedy::NeedsPerson,
            ErrorCode::UnknownError,
            "the API server refuses it; correct what it says, then retry",
        ),
    }
}

fn forbidden(ask: &Ask, refusal: &Refusal) -> Class {
    let exhausted = |remedy, what: &str| refused(Why::Other, remedy, ErrorCode::ResourceExhausted, what);
    if refusal.is_caused_by("NamespaceTerminating") {
        return refused(
            Why::NoNamespace,
            Remedy::Retry,
            ErrorCode::Conflict,
            "the namespace is being deleted; it is made anew when it is gone",
        );
    }
    if let Some(class) = by_admission(refusal) {
        return class;
    }
    // These have no cause and no reason of their own.
    if refusal.says("exceeded quota") {
        return exhausted(
            Remedy::NeedsPerson,
            "the namespace's quota is used up; raise it, or ask for less, then retry",
        );
    }
    if refusal.says("status unknown for quota") || refusal.says("error looking up service account") {
        return exhausted(Remedy::Retry, "the namespace is not ready yet; it is tried again");
    }
    if refusal.says("usage per ") || refusal.says("limit to request ratio") {
        return permanent("a limit range of the namespace does not allow it; correct the spec's resources");
    }
    let message = match ask.resource() {
        // Kubernetes then names no verb: the one that is missing is that of the object that the apply would make.
        Some(resource) if ask.is_apply() && refusal.message.trim_end().ends_with("forbidden:") => format!(
            "the engine may not create {}; allow it (ops/kubernetes/rbac.yaml), then retry",
            rule(resource.plural, resource.group())
        ),
        Some(resource) => {
            let plural = match resource.subresource {
                Some(subresource) => format!("{}/{subresource}", resource.plural),
                None => resource.plural.to_owned(),
            };
            format!(
                "the engine may not {} {}; allow it (ops/kubernetes/rbac.yaml), then retry",
                ask.verb(),
                rule(&plural, resource.group())
            )
        }
        None => "the engine may not; allow it (ops/kubernetes/rbac.yaml), then retry".to_owned(),
    };
    Class {
        why: Why::Forbidden,
        happened: Happened::No,
        remedy: Remedy::NeedsPerson,
        code: ErrorCode::PermissionDenied,
        what: message,
    }
}

fn not_found(ask: &Ask, refusal: &Refusal) -> Class {
    let details = &refusal.details;
    let resource = ask.resource();
    let is_its_namespace = resource.is_some_and(|resource| {
        resource.plural != "namespaces"
            && details.kind == "namespaces"
            && resource.namespace.as_ref() == Some(&details.name)
    });
    if is_its_namespace {
        return refused(
            Why::NoNamespace,
            Remedy::Retry,
            ErrorCode::ResourceNotFound,
            "the namespace is not there; it is looked up again",
        );
    }
    // A path that the server does not have is answered without a name, and mostly not by a Status.
    if !refusal.is_status || details.name.is_empty() {
        return refused(
            Why::NoKind,
            Remedy::NeedsPerson,
            ErrorCode::InvalidConfiguration,
            "the cluster does not have this kind; install it, or do not use it, then retry",
        );
    }
    refused(
        Why::NotThere,
        Remedy::Retry,
        ErrorCode::ResourceNotFound,
        "it is not there; it is looked up again",
    )
}

fn conflict(refusal: &Refusal) -> Class {
    if refusal.is("AlreadyExists") {
        return refused(
            Why::Exists,
            Remedy::Retry,
            ErrorCode::Conflict,
            "one of that name is there; it is looked up again",
        );
    }
    let causes = refusal.details.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
    let conflicts: BTreeSet<FieldConflict> = causes
        .map(|cause| FieldConflict { manager: manager(&cause.message), field: cause.field.clone() })
        .collect();
    if conflicts.is_empty() {
        return refused(
            Why::NotAsMeant,
            Remedy::Retry,
            ErrorCode::Conflict,
            "it has changed since, or is another one; it is looked up again",
        );
    }
    let named: Vec<String> =
        conflicts.iter().map(|conflict| format!("{} of {}", conflict.field, conflict.manager)).collect();
    Class {
        why: Why::FieldConflicts(conflicts),
        happened: Happened::No,
        remedy: Remedy::NeedsPerson,
        code: ErrorCode::Conflict,
        what: format!(
            "others manage fields of it ({}); have them leave these alone, or set take_over",
            named.join(", ")
        ),
    }
}

fn unprocessable(refusal: &Refusal) -> Class {
    let causes = &refusal.details.causes;
    // A test of a JSON patch that failed has no cause; of an apply to another life of the object, the uid is the cause.
    if causes.is_empty() || causes.iter().any(|cause| cause.field == "metadata.uid") {
        return refused(
            Why::NotAsMeant,
            Remedy::Retry,
            ErrorCode::Conflict,
            "it has changed since, or is another one; it is looked up again",
        );
    }
    let fields: BTreeSet<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
    let fields: Vec<&str> = fields.into_iter().filter(|field| !field.is_empty()).collect();
    let class = permanent(&match fields.as_slice() {
        [] => "the cluster cannot take it; correct the spec".to_owned(),
        fields => format!("the cluster cannot take {}; correct the spec", fields.join(", ")),
    });
    Class { why: Why::Invalid, ..class }
}

fn bad_request(refusal: &Refusal) -> Class {
    if refusal.says("does not support dry run") {
        let named = quoted(&refusal.message).unwrap_or("one that the API server does not name");
        let why = format!("the admission webhook {named} has side effects");
        return Class { why: Why::NotTried(why), ..permanent("it cannot be tried without doing it") };
    }
    by_admission(refusal).unwrap_or_else(|| {
        let class = permanent("the cluster cannot take it; correct the spec");
        Class { why: Why::BadRequest, ..class }
    })
}

fn internal(refusal: &Refusal) -> Class {
    // Kubernetes has no reason for any of these.
    if refusal.message.starts_with("failed to create typed patch object") {
        return permanent(
            "this version of the cluster does not know a field of it; do not use that, or upgrade",
        );
    }
    if refusal.says("request is too large") || refusal.says("message larger than max") {
        return too_large();
    }
    if refusal.says("failed calling webhook") || refusal.says("failed to call webhook") {
        // Webhooks are asked before anything is stored.
        let named = quoted(&refusal.message).unwrap_or("one that it does not name");
        let what = format!("the admission webhook {named} does not answer; it is tried again");
        return refused(Why::Other, Remedy::Retry, ErrorCode::ProviderUnavailable, &what);
    }
    perhaps(ErrorCode::ProviderUnavailable, "the API server has trouble of its own; it is looked up again")
}

/// What an admission rule refuses; any of 400, 403 and 422 may be its code.
fn by_admission(refusal: &Refusal) -> Option<Class> {
    if refusal.says("denied the request") && refusal.says("admission webhook") {
        let named = quoted(&refusal.message).unwrap_or("one that it does not name");
        return Some(permanent(&format!(
            "the admission webhook {named} refuses it; correct the spec as it says"
        )));
    }
    if refusal.says("violates PodSecurity") {
        return Some(permanent(
            "the namespace's pod security level does not allow it; correct the spec, or choose another level",
        ));
    }
    refusal
        .says("ValidatingAdmissionPolicy")
        .then(|| permanent("an admission policy of the cluster refuses it; correct the spec as it says"))
}

fn too_large() -> Class {
    permanent("it is too large for the API server, which takes about 1.5 MB; make the spec's files smaller")
}

fn permanent(what: &str) -> Class {
    refused(Why::Other, Remedy::Permanent, ErrorCode::InvalidConfiguration, what)
}

fn refused(why: Why, remedy: Remedy, code: ErrorCode, what: &str) -> Class {
    Class { why, happened: Happened::No, remedy, code, what: what.to_owned() }
}

fn perhaps(code: ErrorCode, what: &str) -> Class {
    Class { why: Why::Other, happened: Happened::Perhaps, remedy: Remedy::Retry, code, what: what.to_owned() }
}

/// As a rule of RBAC has it.
fn rule(plural: &str, group: &str) -> String {
    match group {
        "" => plural.to_owned(),
        group => format!("{plural}.{group}"),
    }
}

/// Whose a field is, in `conflict with "kubectl" using apps/v1`.
fn manager(message: &str) -> String {
    quoted(message).unwrap_or(message).to_owned()
}

/// The first quoted part of a text.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// Whether there was no connection at all.
fn is_connect(error: &kube::Error) -> bool {
    words::causes(error)
        .filter_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>())
        .any(hyper_util::client::legacy::Error::is_connect)
}

/// Whether the server showed a certificate that nobody here trusts. The error's type is private to the TLS library.
fn is_not_trusted(words: &str) -> bool {
    words.contains("invalid peer certificate")
}

/// What kind of error it is for the caller, the driver says.
fn error(remedy: Remedy, code: ErrorCode, message: String) -> ProviderError {
    ProviderError::new(ErrorKind::ProvisionFailed, remedy, code, message)
}
