//! What a provider's author gives: the platform under test.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use landlord_state_machines::id::TenantId;
use landlord_state_machines::planner::Subject;
use landlord_state_machines::spec::TenantComputeSpec;

use landlord_compute::provider::Provider;

/// A platform with a provider for it.
///
/// What is not overridden makes the clauses that need it not applicable, with the reason. A method that cannot do
/// its work for a reason that is a defect of the test (the emulator is gone) panics: the clause is then broken.
#[async_trait]
pub trait Platform: Send + Sync {
    /// A provider over this platform as a program that was just started makes it: it remembers nothing of what
    /// others from here did, and finds what they left on the platform.
    fn provider(&self) -> Arc<dyn Provider>;

    /// A spec for the tenant. Without [`Variant::First`] and [`Variant::Changed`] every clause that needs them is
    /// broken. Variants that run make equally many resources.
    ///
    /// # Errors
    /// Why there is none.
    fn spec(&self, tenant: &TenantId, variant: Variant) -> Result<TenantComputeSpec, Unable>;

    /// Everything on the platform that is the tenant's, or has a name of the tenant's, whoever made it. Asked of
    /// the platform and not of the provider, so that a leak is seen. What runs has another id once it was started anew.
    async fn resources(&self, tenant: &TenantId) -> Vec<Resource>;

    /// How many things with names of their own these resources are; a provider has to name each. Default: each is one.
    /// A platform on which one thing has several parts, as a launch has a process and its record, counts it once.
    fn named(&self, resources: &[Resource]) -> usize {
        resources.len()
    }

    /// A spec that becomes healthy soon, and has something persistent that it asks to retain. It is asked of a platform whose
    /// provider maps `volumes[].retain`.
    ///
    /// # Errors
    /// Why there is none.
    fn retaining(&self, _tenant: &TenantId) -> Result<TenantComputeSpec, Unable> {
        Err(Unable::new("it is not said which spec retains something"))
    }

    /// What there really is that the tenant's lives have retained; it is not among [`Platform::resources`].
    ///
    /// # Errors
    /// Why it cannot be told.
    async fn retained(&self, _tenant: &TenantId) -> Result<Vec<Resource>, Unable> {
        Err(Unable::new("it is not said how what is retained is seen"))
    }

    /// How many replicas of each main container there are, of whichever spec. Asked of the platform and not of the provider.
    ///
    /// # Errors
    /// Why they cannot be counted.
    async fn replicas(&self, _tenant: &TenantId) -> Result<usize, Unable> {
        Err(Unable::new("it is not said how replicas are counted"))
    }

    /// Whether the tenant serves now, whichever spec it runs. Asked of the tenant and not of the provider.
    ///
    /// # Errors
    /// Why it cannot be asked.
    async fn serves(&self, _tenant: &TenantId) -> Result<bool, Unable> {
        Err(Unable::new("it is not said how a tenant is reached"))
    }

    /// Does something to what the tenant has, behind the provider's back.
    ///
    /// # Errors
    /// Why this cannot happen on the platform, or cannot be made to.
    async fn harm(&self, _tenant: &TenantId, _harm: Harm) -> Result<(), Unable> {
        Err(Unable::new("it is not said how to do that to a tenant"))
    }

    /// Ends [`Harm::Stall`], [`Harm::Outage`], [`Harm::Obstruct`] and [`Harm::FullLogDisk`].
    async fn heal(&self, _tenant: &TenantId) {}

    /// Makes a resource that has the name of one which a provision for `subject` would make, and belongs to
    /// somebody else. [`Platform::resources`] shows it too.
    ///
    /// # Errors
    /// Why there are no names to collide.
    async fn plant(&self, _subject: &Subject) -> Result<(), Unable> {
        Err(Unable::new("it is not said how to make a resource that is somebody else's"))
    }

    /// The value of the secret that [`Variant::Secret`] refers to. Long and random, so that it is found wherever it
    /// shows.
    ///
    /// # Errors
    /// Why there are no secrets.
    fn secret(&self) -> Result<String, Unable> {
        Err(Unable::new("it is not said where its secrets come from"))
    }

    /// How slow it is.
    fn limits(&self) -> Patience {
        Patience::default()
    }
}

/// Which spec of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Becomes healthy soon.
    First,
    /// Becomes healthy soon and differs from the first.
    Changed,
    /// Is valid and fails soon, after something was made: its program ends at once, its image is not there.
    Failing,
    /// Is valid, begins to run, and does not become healthy within [`Patience::prompt`].
    Unhealthy,
    /// Keeps the rules that all providers share and breaks one of this provider's.
    Invalid,
    /// Asks for more than the platform can ever give.
    TooLarge,
    /// Names an image that there cannot be.
    BadImage,
    /// Asks for an address that somebody else has.
    AddressTaken,
    /// Becomes healthy soon and gets the [`Platform::secret`].
    Secret,
    /// Gets the [`Platform::secret`], fails soon, and tells the secret where the platform keeps the words of what
    /// failed.
    SecretFailing,
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "the first spec",
            Self::Changed => "the changed spec",
            Self::Failing => "a spec that fails",
            Self::Unhealthy => "a spec that never becomes healthy",
            Self::Invalid => "an invalid spec",
            Self::TooLarge => "a spec that is too large",
            Self::BadImage => "a spec with an impossible image",
            Self::AddressTaken => "a spec with an address that somebody else has",
            Self::Secret => "a spec with a secret",
            Self::SecretFailing => "a spec with a secret that fails",
        })
    }
}

/// What can happen to a tenant on its platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Harm {
    /// What runs of it dies, and the platform does not start it again by itself.
    Crash,
    /// It runs on and fails its health check.
    Sicken,
    /// What runs of it now runs on and never passes its health check again. What is started anew does.
    Hang,
    /// What runs of it leaves a child in the background, with a session and an environment of its own.
    /// [`Platform::resources`] shows it.
    Escape,
    /// A part of what it has there is removed.
    Remove,
    /// Nobody answers for longer than [`Patience::status`] when asked how it is.
    Stall,
    /// The platform refuses whatever is asked about it; asking again may help.
    Outage,
    /// The platform refuses to remove what it has, until somebody does something about that.
    Obstruct,
    /// Where its logs are kept there is no room for another line. It may come before the tenant has anything.
    FullLogDisk,
}

/// Something on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The platform's id.
    pub id: String,
    /// Which spec it was made from, where the platform shows it.
    pub made_from: Option<Variant>,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.made_from {
            Some(variant) => write!(f, "{} of {variant}", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// How slow a platform is. The clauses wait for conditions; these are the times after which one counts as broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// One provision, update or destroy with its undo.
    pub call: Duration,
    /// One `get_status`: 5 s (CONTRACT.md, "get_status").
    pub status: Duration,
    /// From a cancel or a deadline to the end of a call, its undo included.
    pub prompt: Duration,
    /// How long a provision is let run before it is cancelled or late.
    pub soon: Duration,
    /// Until the platform shows what was done to it, and until what is late has come.
    pub settle: Duration,
    /// From one look at the platform to the next.
    pub pause: Duration,
    /// At how many steps of a call it is cancelled or dropped, at most.
    pub interruptions: usize,
    /// How many clauses at a time, and how many tenants in each of them.
    pub parallel: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(120),
            status: Duration::from_secs(5),
            prompt: Duration::from_secs(30),
            soon: Duration::from_secs(1),
            settle: Duration::from_secs(2),
            pause: Duration::from_millis(50),
            interruptions: 16,
            parallel: 4,
        }
    }
}

/// Why something cannot be done on a platform: a clause that needs it is not applicable there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unable(String);

impl Unable {
    /// For this reason.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
