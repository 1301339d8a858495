//! `serve`: an engine that keeps running, and answers whoever asks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use landlord_client::EventsQuery;
use landlord_compute::Engine;
use landlord_server::{Certificates, Security, Served, Socket, Tcp, guarded, router, scraped, with_page};
use landlord_telemetry::{CONTENT_TYPE, Telemetry};
use sd_notify::NotifyState;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::configuration::{self, Configuration, Draft};
use super::doctor;
use super::events::Lines;
use super::failure::{Failure, with_causes};
use super::here;
use super::kept::{Kept, Told};
use super::observed::{self, Observed};
use super::place::{self, Place};
use super::screen::Screen;
use super::signals::{Hangups, Signals};

/// How long what is left of spans and metrics may take to be sent at the end.
const LAST_EXPORT: Duration = Duration::from_secs(5);

/// Keeps an engine running, answers requests, and shows what happens, until Ctrl-C or SIGTERM. Where its terminal is
/// closed it goes on.
pub(crate) async fn serve(
    screen: &Screen,
    place: &Place,
    file: Option<&Path>,
    lost: Option<String>,
    observed: Observed,
) -> Result<(), Failure> {
    let Observed { telemetry, exports, log: _ } = observed;
    let hangups = Hangups::listen()?;
    let engine = place.keep(screen, telemetry.watcher(), lost).await?;
    telemetry.asks(&engine);
    let exported = CancellationToken::new();
    let exporting = tokio::spawn(exports.run(exported.clone(), LAST_EXPORT));
    let served = place.served(&engine).await?;
    let scrape = Arc::clone(&telemetry);
    let served = served.metrics(CONTENT_TYPE, move || scrape.prometheus());
    let here = place.clone();
    let served = served.examined(move || {
        let here = here.clone();
        Box::pin(async move { doctor::look(&here, doctor::Looks::Server).await })
    });
    let outcome = answer(screen, place, file, &engine, served, telemetry, hangups).await;
    exported.cancel();
    // It ends in its time, whatever the receiver does.
    let _ = exporting.await;
    outcome
}

/// Answers requests, and shows what happens, until the engine is to end.
async fn answer(
    screen: &Screen,
    place: &Place,
    file: Option<&Path>,
    engine: &Arc<Engine>,
    served: Served,
    telemetry: Arc<Telemetry>,
    mut hangups: Hangups,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let mut answering = JoinSet::new();
    answering.spawn(observed::look(served.clone(), telemetry, stop.clone()));
    let mut reloads =
        Reloads { file, now: place.configuration().clone(), served: served.clone(), certificates: None };
    let socket = Socket::bind(place.kept().socket())
        .map_err(|source| Failure::System { doing: "listen on the socket beside the store", source })?;
    let bounds = place.configuration().bounds();
    let asked = with_page(served.clone(), router(served.clone()));
    answering.spawn(socket.serve(asked, bounds.clone(), stop.clone()));
    if let Some(listen) = &place.configuration().listen {
        let security = listen.security().map_err(|error| Failure::Usage(with_causes(&error)))?;
        if let Security::Tls(certificates) = &security {
            reloads.certificates = Some(certificates.clone());
            answering.spawn(certificates.clone().follow(stop.clone()));
        }
        let failed = |source: io::Error| Failure::System {
            doing: "listen on the TCP port",
            source: io::Error::new(source.kind(), format!("{}: {source}", listen.address)),
        };
        let tcp = Tcp::bind(listen.address, security).await.map_err(failed)?;
        let address = tcp.address().map_err(failed)?;
        let tcp = if listen.names.is_empty() { tcp } else { tcp.named(listen.names.clone()) };
        let asking = guarded(served.clone(), place.configuration().rate()).await?;
        let asking = with_page(served.clone(), asking);
        answering.spawn(tcp.serve(asking, bounds, stop.clone()));
        screen.note(&format!("listening on {address}, for whoever has a token"));
    }
    if let Some(address) = place.configuration().telemetry.metrics_address {
        let failed = |source: io::Error| Failure::System {
            doing: "listen for scrapes of /metrics",
            source: io::Error::new(source.kind(), format!("{address}: {source}")),
        };
        let tcp = Tcp::bind(address, Security::PlainOnLoopback).await.map_err(failed)?;
        let address = tcp.address().map_err(failed)?;
        let bounds = place.configuration().bounds();
        answering.spawn(tcp.serve(scraped(served.clone()), bounds, stop.clone()));
        screen.note(&format!("metrics at http://{address}/metrics"));
    }
    screen.note(&format!(
        "running on {}; other terminals reach it by that name, and browsers by `landlord-compute page`; Ctrl-C ends the engine, and \
         tenants go on running",
        place.kept()
    ));
    answering.spawn(place.configuration().deliveries().run(served.clone(), stop.clone()));
    answering.spawn(watchdog(Arc::clone(engine), stop.clone()));
    let events = here::client(served).events(None, &EventsQuery::default()).await?;
    let mut events = events.fuse();
    tell(&[NotifyState::Ready]);
    let mut lines = Lines::new(screen);
    let outcome = loop {
        tokio::select! {
            Some(message) = events.next() => match message {
                Ok(message) => match lines.show(&[message]) {
                    Ok(()) => {}
                    Err(Failure::Output(_)) if hangups.came() => {}
                    Err(failure) => break Err(failure),
                },
                Err(error) => break Err(error.into()),
            },
            closed = engine.closed() => break Err(Failure::Closed(closed)),
            () = hangups.next() => for line in reloads.reload().await {
                screen.note(&format!("SIGHUP: {line}"));
            },
            _ = signals.next() => break Ok(()),
        }
    };
    tell(&[NotifyState::Stopping]);
    drop(events);
    stop.cancel();
    if !matches!(outcome, Err(Failure::Closed(_))) {
        screen.note("ending; a second Ctrl-C ends at once");
        tokio::select! {
            closed = engine.shutdown(place.configuration().shutdown.0) => closed?,
            _ = signals.next() => return outcome,
        }
    }
    // Streams end with the engine, and other answers are short.
    while answering.join_next().await.is_some() {}
    outcome
}

/// Says everything that is wrong with a configuration.
pub(crate) fn check(screen: &Screen, file: Option<&Path>, told: Told<'_>) -> Result<(), Failure> {
    let Draft { sound, mut problems } = configuration::read(file);
    match Kept::of(told, &sound) {
        Ok(kept) => {
            for (name, kind, section) in sound.sections() {
                if let Err(error) = place::of_section(&kept, name, kind, section) {
                    problems.0.push(format!("providers.{name}: {}", with_causes(&error)));
                }
            }
        }
        Err(failure) => problems.0.push(format!("store: {failure}")),
    }
    problems.0.extend(self::problems(&sound));
    problems.or((), file)?;
    screen.note("the configuration is valid");
    Ok(())
}

/// What is wrong with what a configuration names, beside its providers.
pub(crate) fn problems(configuration: &Configuration) -> Vec<String> {
    let listen = configuration.listen.as_ref().and_then(|listen| listen.security().err());
    let listen = listen.map(|error| format!("listen: {}", with_causes(&error)));
    let webhooks = configuration.deliveries().check().err();
    let webhooks = webhooks.map(|error| format!("webhooks.ca: {}", with_causes(&error)));
    let telemetry = configuration.telemetry.settings().err();
    listen.into_iter().chain(webhooks).chain(telemetry).collect()
}

/// What SIGHUP takes up.
struct Reloads<'f> {
    file: Option<&'f Path>,
    now: Configuration,
    served: Served,
    certificates: Option<Certificates>,
}

impl Reloads<'_> {
    /// Takes up what can be, and says so, and what cannot.
    async fn reload(&mut self) -> Vec<String> {
        let Some(file) = self.file else {
            return vec!["there is no configuration file to read again; the engine runs on".to_owned()];
        };
        tell(&[
            NotifyState::Reloading,
            NotifyState::monotonic_usec_now().unwrap_or(NotifyState::MonotonicUsec(0)),
        ]);
        let mut said = Vec::new();
        match configuration::of(Some(file)) {
            Ok(new) => said.extend(self.take_up(new).await),
            Err(failure) => said.push(format!("nothing was taken up: {failure}")),
        }
        if let Some(certificates) = &self.certificates {
            match certificates.reload() {
                Ok(true) => said.push("a new certificate is shown".to_owned()),
                Ok(false) => {}
                Err(error) => said.push(format!("the old certificate is shown on: {}", with_causes(&error))),
            }
        }
        if said.is_empty() {
            said.push(format!("nothing has changed in {}", file.display()));
        }
        tell(&[NotifyState::Ready]);
        said
    }

    async fn take_up(&mut self, new: Configuration) -> Vec<String> {
        let mut said = Vec::new();
        let stays = self.now.needs_a_start(&new);
        if new.rate() != self.now.rate() {
            match self.served.reload_tokens(new.rate()).await {
                Ok(()) => {
                    said.push("the rates of requests are the new ones".to_owned());
                    (self.now.requests.per_second, self.now.requests.burst) =
                        (new.requests.per_second, new.requests.burst);
                }
                Err(error) => said.push(format!("the rates of requests stay as they are: {error}")),
            }
        }
        if !stays.is_empty() {
            said.push(format!("the next start takes up what has changed of {}", stays.join(", ")));
        }
        said
    }
}

/// Tells systemd, where it asks for that, that the engine takes commands; while it cannot, systemd is not told, and starts
/// it anew.
async fn watchdog(engine: Arc<Engine>, stop: CancellationToken) {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = interval(within / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let reads = engine.reads();
        let lives = tokio::time::timeout(within / 3, reads.head()).await.is_ok_and(|head| head.is_ok());
        if lives && engine.ended().is_none() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells systemd, if it started this.
fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}
