//! Many tenants at a time: begins what is asked for, so many at once, and waits for the ends.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use landlord_api::{Accepted, Code, OperationDocument};
use landlord_client::{Client, ClientError, Command, CommandOptions, EventsQuery, Message, SpecText};
use landlord_compute::machines::id::{OperationId, TenantId};
use landlord_compute::machines::tenant::{OperationKind, Settled};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::super::failure::Failure;
use super::super::operate::With;
use super::super::patience::Patience;
use super::super::screen::Screen;
use super::super::spec_file::Document;
use super::board::Board;

/// How often what is on its way is drawn.
const DRAWN: Duration = Duration::from_millis(100);
/// The pause before a command is sent again that was refused as too much was on its way; doubled each time.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_secs(2);
/// How often such a command is sent.
const TRIES: usize = 30;

/// What is to become of a tenant.
pub(super) struct Job {
    pub(super) tenant: TenantId,
    pub(super) work: Work,
}

/// What is asked for.
pub(super) enum Work {
    Send(Document, fn(SpecText) -> Command),
    Destroy,
}

/// What became of a tenant.
pub(super) struct Ended {
    pub(super) tenant: TenantId,
    pub(super) operation: Option<OperationId>,
    /// How long it took, from when it was sent.
    pub(super) took: Duration,
    pub(super) how: How,
}

/// How it ended.
pub(super) enum How {
    Created,
    Updated,
    Unchanged,
    Pruned,
    /// It was begun, and its end was not waited for.
    Begun,
    Failed(Failure),
}

/// What became of all of them.
pub(super) struct Outcome {
    pub(super) ended: Vec<Ended>,
    /// Whom nothing was sent for.
    pub(super) unsent: Vec<TenantId>,
    pub(super) took: Duration,
    pub(super) why: Why,
}

/// Why nothing more was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There was nothing more.
    Over,
    /// Nobody wanted to wait.
    NotWaited,
    TimedOut,
    Interrupted,
}

impl Outcome {
    /// Whether something is still on its way.
    pub(super) fn is_left(&self) -> bool {
        self.ended.iter().any(|ended| matches!(ended.how, How::Begun))
    }
}

/// A job that was begun.
struct Begun {
    tenant: TenantId,
    /// Whether it is to be gone.
    destroys: bool,
    at: Instant,
}

/// A step of a job.
enum Step {
    Sent(Begun, Result<Accepted, Failure>),
    Settled(Begun, OperationId, Result<OperationDocument, ClientError>),
}

/// Begins all jobs in their order, so many at a time, and waits until they have ended, or for as long as it should.
pub(super) async fn run(
    screen: &Screen,
    with: &mut With<'_>,
    jobs: Vec<Job>,
    options: &CommandOptions,
    patience: Patience,
    parallel: usize,
) -> Result<Outcome, Failure> {
    let (begun, until) = (Instant::now(), patience.starts());
    let client = with.client.clone();
    let mut events = client.events(None, &EventsQuery::default()).await?.fuse();
    let mut board = Board::new(screen, jobs.len());
    let mut unsent = VecDeque::from(jobs);
    let mut steps: FuturesUnordered<BoxFuture<'static, Step>> = FuturesUnordered::new();
    let (mut sending, mut ended, mut why) = (0, Vec::new(), Why::Over);
    let mut on_their_way: BTreeMap<TenantId, (OperationId, Instant)> = BTreeMap::new();
    let mut frames = interval(DRAWN);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while why == Why::Over
            && steps.len() < parallel
            && let Some(job) = unsent.pop_front()
        {
            board.began(&job.tenant);
            sending += 1;
            steps.push(send(client.clone(), job, options.clone()).boxed());
        }
        // What is being sent is answered soon, and has to be known.
        if steps.is_empty() || why != Why::Over && sending == 0 {
            break;
        }
        tokio::select! {
            biased;
            _ = with.signals.next() => match why {
                Why::Interrupted => break,
                Why::Over | Why::NotWaited | Why::TimedOut => why = Why::Interrupted,
            },
            () = until.over(), if why == Why::Over => why = Why::TimedOut,
            Some(step) = steps.next() => match step {
                Step::Sent(job, answer) => {
                    sending -= 1;
                    match answer {
                        Ok(Accepted { operation: Some(id), .. }) => {
                            on_their_way.insert(job.tenant.clone(), (id, job.at));
                            steps.push(settle(client.clone(), job, id, patience.waits()).boxed());
                        }
                        Ok(Accepted { operation: None, .. }) => {
                            let how = if job.destroys { How::Pruned } else { How::Unchanged };
                            board.ended(ended_with(job, None, how), &mut ended)?;
                        }
                        Err(failure) => {
                            board.ended(ended_with(job, None, How::Failed(failure)), &mut ended)?;
                        }
                    }
                }
                Step::Settled(job, id, operation) => {
                    on_their_way.remove(&job.tenant);
                    let how = how(&job, id, operation);
                    board.ended(ended_with(job, Some(id), how), &mut ended)?;
                }
            },
            _ = frames.tick() => board.draw(),
            Some(message) = events.next() => {
                // They are only shown: how an operation ended is asked for.
                if let Ok(Message::Event(event)) = message {
                    board.tell(&event.data);
                }
            }
        }
    }
    board.end();
    for (tenant, (id, at)) in on_their_way {
        ended.push(Ended { tenant, operation: Some(id), took: at.elapsed(), how: How::Begun });
    }
    if why == Why::Over && !patience.waits() {
        why = Why::NotWaited;
    }
    let unsent = unsent.into_iter().map(|job| job.tenant).collect();
    Ok(Outcome { ended, unsent, took: begun.elapsed(), why })
}

fn ended_with(job: Begun, operation: Option<OperationId>, how: How) -> Ended {
    Ended { tenant: job.tenant, operation, took: job.at.elapsed(), how }
}

/// Sends a command; again, where too much is on its way.
async fn send(client: Client, job: Job, options: CommandOptions) -> Step {
    let Job { tenant, work } = job;
    let begun = Begun { destroys: matches!(work, Work::Destroy), tenant, at: Instant::now() };
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match once(&client, &begun.tenant, &work, &options).await {
            Err(Failure::Refused(problem)) if problem.code == Code::Overloaded => sleep(pause).await,
            answer => return Step::Sent(begun, answer),
        }
        pause = (pause * 2).min(LONGEST);
    }
    let answer = once(&client, &begun.tenant, &work, &options).await;
    Step::Sent(begun, answer)
}

async fn once(
    client: &Client,
    tenant: &TenantId,
    work: &Work,
    options: &CommandOptions,
) -> Result<Accepted, Failure> {
    match work {
        Work::Send(spec, command) => {
            let answer = client.command(tenant, command(spec.spec()), options).await;
            answer.map_err(|error| spec.refused(error))
        }
        Work::Destroy => Ok(client.command(tenant, Command::Destroy, options).await?),
    }
}

/// How an operation ended, or else how it stands.
async fn settle(client: Client, job: Begun, id: OperationId, wait: bool) -> Step {
    let operation = if wait { client.settled(id).await } else { client.operation(id).await };
    Step::Settled(job, id, operation)
}

fn how(job: &Begun, id: OperationId, operation: Result<OperationDocument, ClientError>) -> How {
    let operation = match operation {
        Ok(operation) => operation,
        Err(error) => return How::Failed(error.into()),
    };
    match operation.settled {
        Some(Settled::Done) if job.destroys => How::Pruned,
        Some(Settled::Done) if operation.kind == OperationKind::Provision => {
            // Over in the moment in which it was accepted: it was so already.
            if operation.settled_at == Some(operation.accepted_at) { How::Unchanged } else { How::Created }
        }
        Some(Settled::Done) => How::Updated,
        Some(settled) => How::Failed(Failure::NotAsAsked {
            operation: id,
            tenant: job.tenant.clone(),
            settled,
            logs: None,
        }),
        None => How::Begun,
    }
}
