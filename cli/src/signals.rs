//! Ctrl-C and SIGTERM, and SIGHUP for what goes on without a terminal.

use rustix::process;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// From its making on, the signals no longer end the program by themselves.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|source| Failure::System { doing: "listen for signals", source });
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next of them.
    pub(crate) async fn next(&mut self) -> process::Signal {
        tokio::select! {
            _ = self.interrupt.recv() => process::Signal::INT,
            _ = self.terminate.recv() => process::Signal::TERM,
        }
    }
}

/// From its making on, SIGHUP no longer ends the program.
pub(crate) struct Hangups {
    hangups: Signal,
    came: bool,
}

impl Hangups {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |source| Failure::System { doing: "listen for signals", source };
        Ok(Self { hangups: signal(SignalKind::hangup()).map_err(listen)?, came: false })
    }

    /// Returns with the next one.
    pub(crate) async fn next(&mut self) {
        self.hangups.recv().await;
        self.came = true;
    }

    /// Whether there was one, after which there may be no terminal to write to.
    pub(crate) fn came(&self) -> bool {
        self.came
    }
}
