//! The keeper at work: one thread that waits for requests, for processes that end, and for what they print.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use landlord_state_machines::planner::process::{
    Check, ExitCause, LaunchId, Manifest, Port, Process, Protocol, Route, Stop, Thief,
};
use mio::net::UnixListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use super::check::{Begun, Try, Verdict, With};
use super::connection::{Connection, Gone};
use super::health::{Change, Health, Waiting};
use super::kept::{First, Launch, Launches, Listener, private_ports};
use super::output::Output;
use super::protocol::{
    Answer, Asked, LOCK, Launch as Asking, Newer, Refusal, Request, SOCKET, Setup, VERSION,
};
use super::routes::{BASE, ROUTES, Routes};
use super::spawn::{self, Launcher};
use super::start::remove_files;
use super::takeover::{self, Found};
use crate::cgroup::LaunchGroup;
use crate::files::{self, LaunchFiles};
use crate::listeners;
use crate::logs::{SOURCES, Writer};
use crate::procfs;

/// How long a keeper waits for its engine to come back when nothing that it keeps lives.
const IDLE: Duration = Duration::from_secs(30);

/// How long the end of a launch is waited for before its engine is told that it still runs.
pub(super) const MOMENT: Duration = Duration::from_millis(200);

/// The connections that wait to be taken.
const LISTENER: Token = Token(0);
/// Rings when a child has ended.
const CHILDREN: Token = Token(1);
/// The first of the others.
const OTHERS: usize = 2;

/// What an event is about.
#[derive(Debug)]
enum Subject {
    /// An engine.
    Engine {
        connection: Connection,
        /// Whether it is told of changes.
        watches: bool,
    },
    /// A launcher on its way to its program, and the engine that waits for it.
    Launcher { launch: LaunchId, leader: Process, socket: Connection, asked_by: Token },
    /// What a launch prints.
    Output { launch: LaunchId, output: Output },
    /// The end of a launch that is no child.
    Found { launch: LaunchId },
    /// The connection of a check.
    Check { launch: LaunchId },
}

/// An engine that waits for the end of a launch.
struct Waiter {
    launch: LaunchId,
    asked_by: Token,
    /// How long it waits.
    until: Instant,
}

/// Why a keeper ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The engine told it to.
    Told,
    /// It has had nothing to keep for a while.
    Idle,
}

/// A keeper.
struct Keeper {
    setup: Setup,
    poll: Poll,
    listener: UnixListener,
    children: std::os::unix::net::UnixStream,
    subjects: HashMap<Token, Subject>,
    next: usize,
    /// Those that were left with something to read.
    again: VecDeque<Token>,
    /// Those who wait for a launch to end.
    waiters: Vec<Waiter>,
    launches: Launches,
    routes: Routes,
    writer: Writer,
    idle_since: Option<Instant>,
    ends: Option<End>,
}

/// Keeps until it is told to end, or has had nothing to keep for a while. `ready` is told when requests are taken.
pub(super) fn serve(setup: Setup, ready: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    std::env::set_current_dir(&setup.dir)?;
    let lock = File::options().create(true).truncate(false).write(true).open(LOCK)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    // The kernel takes it back when the process has ended. Who waits for it, waits for that.
    std::mem::forget(lock);
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    if let Some(group) = &setup.group {
        group.join_keeper()?;
    }
    let poll = Poll::new()?;
    let (children, rings) = std::os::unix::net::UnixStream::pair()?;
    children.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, rings)?;
    poll.registry().register(&mut SourceFd(&children.as_raw_fd()), CHILDREN, Interest::READABLE)?;
    match std::fs::remove_file(SOCKET) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut listener = UnixListener::bind(SOCKET)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let routes = Routes::read(setup.dir.join(ROUTES))?;
    let writer = Writer::new(setup.logs.clone(), setup.log_limits);
    let mut keeper = Keeper {
        setup,
        poll,
        listener,
        children,
        subjects: HashMap::new(),
        next: OTHERS,
        again: VecDeque::new(),
        waiters: Vec::new(),
        launches: Launches::default(),
        routes,
        writer,
        idle_since: None,
        ends: None,
    };
    keeper.take_over()?;
    let lives = |launch| keeper.launches.get(launch).is_some_and(|launch| launch.leader().is_some());
    keeper.routes.open_again(keeper.poll.registry(), lives);
    ready()?;
    keeper.run()
}

impl Keeper {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        let end = loop {
            if let Some(end) = self.ends {
                break end;
            }
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    CHILDREN => self.reap(),
                    Token(BASE..) => self.routes.handle(self.poll.registry(), event),
                    token => self.happens(token),
                }
            }
            for token in std::mem::take(&mut self.again) {
                self.happens(token);
            }
            self.check_those_due();
            self.tell_what_is_left();
            self.routes.tick(self.poll.registry());
            self.end_when_idle();
        };
        match (end, self.launches.is_empty()) {
            // Nobody tells it to end that has forgotten it.
            (End::Idle, true) => remove_files(&self.setup.dir),
            // How its launches ended, and where they answered, is written down for the next one. Who told it to end waits
            // for the lock, which has to be there, and then removes all.
            (End::Idle, false) | (End::Told, _) => files::remove(&self.setup.dir.join(SOCKET)),
        }
    }

    /// How long nothing has to be done.
    fn patience(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let idle = self.idle_since.map(|since| since + IDLE);
        let check = self.launches.alive().map(|(_, launch)| launch.health.due()).min();
        let waiters = self.waiters.iter().map(|waiter| waiter.until);
        let next = idle.into_iter().chain(check).chain(waiters).chain(self.routes.due()).min();
        next.map(|next| next.saturating_duration_since(Instant::now()))
    }

    fn end_when_idle(&mut self) {
        let engine = self.subjects.values().any(|subject| matches!(subject, Subject::Engine { .. }));
        let idle = !engine && self.launches.alive().next().is_none() && !self.has_orphans();
        match (idle, self.idle_since) {
            (false, _) => self.idle_since = None,
            (true, None) => self.idle_since = Some(Instant::now()),
            (true, Some(since)) if since.elapsed() >= IDLE => self.ends = Some(End::Idle),
            (true, Some(_)) => {}
        }
    }

    /// Whether a process is left of a launch that has ended.
    fn has_orphans(&self) -> bool {
        procfs::children(rustix::process::getpid()).is_ok_and(|children| !children.is_empty())
    }

    fn token(&mut self) -> Token {
        let token = Token(self.next);
        self.next += 1;
        token
    }

    fn accept(&mut self) {
        // Any error but "no more" is of one connection, or passes.
        while let Ok((mut stream, _)) = self.listener.accept() {
            let token = self.token();
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, token, interest).is_ok() {
                let connection = Connection::new(stream);
                self.subjects.insert(token, Subject::Engine { connection, watches: false });
            }
        }
    }

    /// Something came, or can be sent, or has ended.
    fn happens(&mut self, token: Token) {
        match self.subjects.remove(&token) {
            None => {}
            Some(Subject::Engine { mut connection, watches }) => {
                let (lines, end) = connection.lines();
                let kept = connection.flush().and(end);
                self.subjects.insert(token, Subject::Engine { connection, watches });
                for line in lines {
                    self.asked(token, &line);
                }
                if kept.is_err() {
                    self.subjects.remove(&token);
                }
            }
            Some(Subject::Launcher { launch, leader, mut socket, asked_by }) => {
                let (lines, end) = socket.lines();
                let refusal = lines.first().map(|line| {
                    serde_json::from_slice(line).unwrap_or_else(|error| Refusal::System(error.to_string()))
                });
                match (refusal, end, socket.flush()) {
                    (Some(refusal), _, _) => self.not_launched(launch, asked_by, refusal),
                    // It has become its program, or that has even ended: whoever looks next sees that.
                    (None, Err(Gone), _) => self.answer(asked_by, &Answer::Launched(leader)),
                    (None, Ok(()), _) => {
                        self.subjects.insert(token, Subject::Launcher { launch, leader, socket, asked_by });
                    }
                }
            }
            Some(Subject::Output { launch, mut output }) => {
                if self.print(launch, &mut output) {
                    self.again.push_back(token);
                }
                self.subjects.insert(token, Subject::Output { launch, output });
            }
            Some(Subject::Found { launch }) => {
                let leader = self.launches.get(launch).and_then(Launch::leader);
                if let Some(leader) = leader {
                    self.ended(leader.pid, ExitCause::Unseen);
                }
            }
            Some(Subject::Check { launch }) => {
                self.subjects.insert(token, Subject::Check { launch });
                // What answers may be what a program left in the background: then its first process has ended.
                self.reap();
                let trying = self.launches.get_mut(launch).and_then(|launch| launch.health.trying());
                if let Some(verdict) = trying.and_then(Try::goes_on) {
                    self.conclude(launch, verdict);
                }
            }
        }
    }

    /// Writes what a launch has printed to its log; whether more may wait.
    fn print(&mut self, launch: LaunchId, output: &mut Output) -> bool {
        let Some(container) = self.launches.get(launch).map(|launch| launch.manifest.container.clone())
        else {
            return false;
        };
        let (writer, source, now) = (&mut self.writer, output.source, Timestamp::now());
        output.read(|bytes| writer.print(&container, launch, source, bytes, now))
    }

    fn asked(&mut self, by: Token, line: &[u8]) {
        let asked: Result<Asked, _> = serde_json::from_slice(line);
        let answer = match asked {
            // What is newer need not be understood.
            Err(error) => Answer::Refused(match serde_json::from_slice(line) {
                Ok(Newer { version }) if version > VERSION => Refusal::Version(VERSION),
                Ok(_) | Err(_) => Refusal::Request(error.to_string()),
            }),
            Ok(Asked { version, .. }) if version > VERSION => Answer::Refused(Refusal::Version(VERSION)),
            Ok(Asked { request, .. }) => match request {
                Request::Find => match self.launches.told(&self.routes) {
                    Ok(launches) => Answer::Found {
                        ward: self.setup.ward.clone(),
                        launches,
                        routing: self.routes.asked(),
                        cut: self.routes.cut_so_far(),
                        taken: self.routes.taken(),
                    },
                    Err(error) => Answer::Refused(Refusal::System(format!("its processes: {error}"))),
                },
                Request::Launch(asking) => match self.launch(by, *asking) {
                    // The answer comes when it has become its program.
                    Ok(()) => return,
                    Err(refusal) => Answer::Refused(refusal),
                },
                Request::Check { launch, counts, tells_thieves } => {
                    match self.launches.get_mut(launch).filter(|launch| launch.leader().is_some()) {
                        Some(known) => {
                            known.health.wait(Waiting { who: by, tells_thieves });
                            self.check(launch, counts);
                            // The answer comes with the verdict.
                            return;
                        }
                        None => Answer::Refused(Refusal::Gone(launch)),
                    }
                }
                Request::Route(routing) => {
                    let launches = &mut self.launches;
                    let is_direct =
                        |route: &Route| launches.listener(route.launch, route.host_port).is_of_the_launch();
                    match self.routes.set(self.poll.registry(), routing, is_direct) {
                        Ok(number) => Answer::Routed { number },
                        Err(refusal) => Answer::Refused(refusal),
                    }
                }
                Request::Stop { launch, stop } => match self.launches.stop(launch, stop) {
                    Ok(()) => Answer::Done,
                    Err(error) => Answer::Refused(Refusal::System(format!("a signal: {error}"))),
                },
                Request::StopAndSee { launch, stop } => match self.stop_and_see(by, launch, stop) {
                    // The answer comes when it has ended.
                    Ok(()) => return,
                    Err(refusal) => Answer::Refused(refusal),
                },
                Request::Forget { launch } => self.forget(launch),
                Request::Watch => {
                    if let Some(Subject::Engine { watches, .. }) = self.subjects.get_mut(&by) {
                        *watches = true;
                    }
                    Answer::Done
                }
                Request::End => match self.launches.ids().next() {
                    Some(launch) => Answer::Refused(Refusal::Busy(launch)),
                    None => {
                        self.ends = Some(End::Told);
                        Answer::Done
                    }
                },
                Request::Dismiss => self.dismiss(),
            },
        };
        self.answer(by, &answer);
    }

    fn answer(&mut self, to: Token, answer: &Answer) {
        if let Some(Subject::Engine { connection, .. }) = self.subjects.get_mut(&to)
            && connection.send(answer).is_err()
        {
            self.subjects.remove(&to);
        }
    }

    /// Tells every engine that watches.
    fn changed(&mut self) {
        let watching: Vec<Token> = self
            .subjects
            .iter()
            .filter(|(_, subject)| matches!(subject, Subject::Engine { watches: true, .. }))
            .map(|(token, _)| *token)
            .collect();
        for token in watching {
            self.answer(token, &Answer::Changed);
        }
    }

    fn files(&self, container: &str, launch: LaunchId) -> LaunchFiles {
        LaunchFiles::of(self.setup.dir.clone(), container, launch)
    }

    fn group(&self, launch: LaunchId) -> Option<LaunchGroup> {
        self.setup.group.as_ref().map(|group| group.launch(&launch.to_string()))
    }

    fn launch(&mut self, asked_by: Token, asking: Asking) -> Result<(), Refusal> {
        let Asking { launch, manifest, program, check, headers, hold } = asking;
        if self.launches.get(launch).is_some() {
            return Err(Refusal::Known(launch));
        }
        self.routes.hold(self.poll.registry(), &hold)?;
        let files = self.files(&manifest.container, launch);
        let group = self.group(launch);
        let started = spawn::launcher(&files, program, group.as_ref());
        let Launcher { mut socket, leader } = started.map_err(|error| {
            self.clean(&files, group.as_ref());
            Refusal::System(error.to_string())
        })?;
        let health = Health::unchecked(&manifest.readiness);
        let first = First::Child(leader);
        self.launches.insert(
            launch,
            Launch { manifest, group, first, health, check, headers, socket: None, thief: None },
        );
        self.listen(&files, launch);
        let token = self.token();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut socket.stream, token, interest).is_ok() {
            let leader = leader.process();
            self.subjects.insert(token, Subject::Launcher { launch, leader, socket, asked_by });
        }
        Ok(())
    }

    /// Reads what a launch prints from now on.
    fn listen(&mut self, files: &LaunchFiles, launch: LaunchId) {
        for source in SOURCES {
            let token = self.token();
            // A launch of a build without keepers has no pipes.
            if let Ok(output) = Output::open(files, source, self.poll.registry(), token) {
                self.subjects.insert(token, Subject::Output { launch, output });
            }
        }
    }

    fn not_launched(&mut self, launch: LaunchId, asked_by: Token, refusal: Refusal) {
        let left = self.launches.get(launch).map(|launch| launch.manifest.container.clone());
        if let Some(container) = left {
            // The launcher ends by itself; nothing of the program has run.
            let files = self.files(&container, launch);
            self.drop_launch(launch, &files);
        }
        self.answer(asked_by, &Answer::Refused(refusal));
    }

    fn stop_and_see(&mut self, asked_by: Token, launch: LaunchId, stop: Stop) -> Result<(), Refusal> {
        let Some(known) = self.launches.get(launch) else { return Err(Refusal::Gone(launch)) };
        // So that a moment is never longer than its grace.
        let grace = Duration::from_secs(known.manifest.stop_grace_seconds.into());
        let signalled = self.launches.stop(launch, stop);
        signalled.map_err(|error| Refusal::System(format!("a signal: {error}")))?;
        self.waiters.push(Waiter { launch, asked_by, until: Instant::now() + MOMENT.min(grace) });
        Ok(())
    }

    /// Answers those whose launch has ended, or who have waited long enough.
    fn tell_what_is_left(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let now = Instant::now();
        for Waiter { launch, asked_by, until } in std::mem::take(&mut self.waiters) {
            let runs = self.launches.get(launch).is_some_and(|launch| launch.leader().is_some());
            if runs && now < until {
                self.waiters.push(Waiter { launch, asked_by, until });
                continue;
            }
            let answer = match self.launches.life(launch) {
                Ok(Some((whole, life))) => Answer::Stopped { whole, life },
                Ok(None) => Answer::Refused(Refusal::Gone(launch)),
                Err(error) => Answer::Refused(Refusal::System(format!("its processes: {error}"))),
            };
            self.answer(asked_by, &answer);
        }
    }

    fn forget(&mut self, launch: LaunchId) -> Answer {
        match self.launches.others(launch) {
            Ok(others) if others.is_empty() => {}
            Ok(_) => return Answer::Refused(Refusal::Busy(launch)),
            Err(error) => return Answer::Refused(Refusal::System(format!("its processes: {error}"))),
        }
        match self.launches.get(launch) {
            None => {}
            Some(known) if known.leader().is_some() => return Answer::Refused(Refusal::Busy(launch)),
            Some(known) => {
                let files = self.files(&known.manifest.container.clone(), launch);
                self.drop_launch(launch, &files);
            }
        }
        Answer::Done
    }

    /// Forgets all launches, and ends.
    fn dismiss(&mut self) -> Answer {
        let launches: Vec<LaunchId> = self.launches.ids().collect();
        let forgotten = launches.into_iter().map(|launch| self.forget(launch));
        let refused = forgotten.into_iter().find(|answer| matches!(answer, Answer::Refused(_)));
        refused.unwrap_or_else(|| {
            self.ends = Some(End::Told);
            Answer::Done
        })
    }

    fn drop_launch(&mut self, launch: LaunchId, files: &LaunchFiles) {
        let of_it = |subject: &Subject| match subject {
            Subject::Output { launch: of, .. } => *of == launch,
            Subject::Engine { .. }
            | Subject::Launcher { .. }
            | Subject::Found { .. }
            | Subject::Check { .. } => false,
        };
        let tokens: Vec<Token> =
            self.subjects.iter().filter(|(_, subject)| of_it(subject)).map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some(Subject::Output { mut output, .. }) = self.subjects.remove(&token) {
                while self.print(launch, &mut output) {}
            }
        }
        if let Some(known) = self.launches.remove(launch) {
            self.routes.cut(&private_ports(&known.manifest));
            let others = self.launches.manifests();
            self.routes.release(self.poll.registry(), (launch, &known.manifest), others);
            self.writer.close(&known.manifest.container, launch, Timestamp::now());
            self.clean(files, known.group.as_ref());
        }
    }

    /// Removes what a launch has beside its record and its log. What stays is removed with the tenant.
    fn clean(&self, files: &LaunchFiles, group: Option<&LaunchGroup>) {
        for source in SOURCES {
            let _stays = std::fs::remove_file(files.pipe(source));
        }
        if let Some(group) = group {
            let _stays = group.remove();
        }
    }

    /// Reads how every child that ended did so.
    fn reap(&mut self) {
        let mut rings = [0; 64];
        while matches!(self.children.read(&mut rings), Ok(1..)) {}
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let Some(cause) = cause(status) else { continue };
            match self.launches.checked_by(pid) {
                Some((launch, known)) => {
                    let verdict = known.health.trying().map(|trying| trying.ended(cause));
                    if let Some(verdict) = verdict {
                        self.conclude(launch, verdict);
                    }
                }
                None => self.ended(pid, cause),
            }
        }
    }

    /// Begins a check of a launch, unless one goes on.
    fn check(&mut self, launch: LaunchId, counts: bool) {
        let token = self.token();
        let Some(known) = self.launches.get_mut(launch) else { return };
        known.health.note(counts);
        if known.health.trying().is_some() {
            return;
        }
        let ports = checked_ports(&known.manifest);
        let port = match self.listening(launch, &ports) {
            Ok(port) => port,
            Err(why) => {
                self.conclude(launch, Err(why));
                return;
            }
        };
        let Some(known) = self.launches.get_mut(launch) else { return };
        let with = With {
            registry: self.poll.registry(),
            token,
            port,
            program: known.check.as_ref(),
            headers: &known.headers,
            group: known.group.as_ref(),
            leader: known.leader(),
        };
        match Try::begin(&known.manifest.readiness, &with) {
            Begun::Over(verdict) => self.conclude(launch, verdict),
            Begun::Goes(trying) => {
                known.health.try_now(token, trying);
                self.subjects.insert(token, Subject::Check { launch });
            }
        }
    }

    /// The first of these ports that a launch listens on, if it is checked by a port at all; or why there is none.
    fn listening(&mut self, launch: LaunchId, ports: &[u16]) -> Result<Option<u16>, String> {
        let was_ready = self.launches.get(launch).is_some_and(|launch| launch.health.was_ready());
        let mut held = None;
        // Where the keeper listens itself, no launch does.
        for port in ports.iter().filter(|port| !self.routes.has(**port, Protocol::Tcp)) {
            match self.launches.listener(launch, *port) {
                Listener::Ours | Listener::Unknown => return Ok(Some(*port)),
                // What was ready before has not started with it.
                Listener::Young if was_ready => return Ok(Some(*port)),
                Listener::Young => {
                    return Err(format!("what listens on port {port} was started less than a second ago"));
                }
                Listener::Nobody => {}
                Listener::Another => held = held.or(Some(*port)),
            }
        }
        match (ports.first(), held) {
            (None, _) => Ok(None),
            (Some(_), Some(port)) => {
                let holder = listeners::holder_of(Protocol::Tcp, port);
                let why = format!("port {port} is held by {holder}, which is no process of this launch");
                if let Some(known) = self.launches.get_mut(launch)
                    && !was_ready
                    && private_ports(&known.manifest).contains(&port)
                {
                    known.thief = Some(Thief { port, holder });
                }
                Err(why)
            }
            (Some(port), None) => Err(format!("nothing listens on port {port}")),
        }
    }

    /// Begins the checks that are due, and ends those that take too long.
    fn check_those_due(&mut self) {
        let now = Instant::now();
        let due: Vec<LaunchId> = self
            .launches
            .alive()
            .filter(|(_, launch)| launch.health.due() <= now)
            .map(|(launch, _)| launch)
            .collect();
        for launch in due {
            let trying = self.launches.get_mut(launch).and_then(|launch| launch.health.trying());
            match trying.map(|trying| trying.late()) {
                Some(late) => self.conclude(launch, late),
                None => self.check(launch, true),
            }
        }
    }

    /// What has answered for the first time, unless it is on its way into the background.
    fn stays(&mut self, launch: LaunchId) -> Verdict {
        let Some(known) = self.launches.get(launch).filter(|known| !known.health.was_ready()) else {
            return Ok(());
        };
        let port =
            checked_ports(&known.manifest).into_iter().find(|port| self.launches.is_left(launch, *port));
        match port {
            None => Ok(()),
            Some(port) => Err(format!(
                "what listens on port {port} has left the session of its first process less than a second ago"
            )),
        }
    }

    fn conclude(&mut self, launch: LaunchId, verdict: Verdict) {
        let verdict = verdict.and_then(|()| self.stays(launch));
        self.subjects.retain(|_, subject| !matches!(subject, Subject::Check { launch: of } if *of == launch));
        let Some(known) = self.launches.get_mut(launch) else { return };
        if verdict.is_ok() {
            known.thief = None;
        }
        let thief = known.thief.clone();
        let (waiting, streak, change) = known.health.conclude(&known.manifest.readiness, verdict);
        let is_unhealthy = known.health.is_unhealthy(&known.manifest.readiness);
        let (checked, robbed) = (Answer::Checked(streak), thief.map(Answer::Robbed));
        for Waiting { who, tells_thieves } in waiting {
            let answer = robbed.as_ref().filter(|_| tells_thieves).unwrap_or(&checked);
            self.answer(who, answer);
        }
        match change {
            Change::Turned => {
                self.routes.checked(self.poll.registry(), launch, is_unhealthy);
                self.changed();
            }
            Change::None => {}
        }
    }

    fn ended(&mut self, pid: Pid, cause: ExitCause) {
        let Some(launch) = self.launches.ended(pid, cause) else { return };
        let was_ready = self.launches.get(launch).is_some_and(|launch| launch.health.was_ready());
        let thief = if was_ready { None } else { self.launches.thief(launch) };
        self.subjects.retain(|_, subject| !matches!(subject, Subject::Check { launch: of } if *of == launch));
        let Some(known) = self.launches.get_mut(launch) else { return };
        // Who had it at a check may have left it since.
        known.thief = thief.or(known.thief.take());
        let waiting = known.health.give_up();
        self.routes.ended(self.poll.registry(), launch);
        if let First::Ended { cause, .. } = known.first {
            // Should this keeper end too, the next one knows.
            let container = known.manifest.container.clone();
            let _unseen_then = self.files(&container, launch).write_exit(cause);
        }
        for Waiting { who, .. } in waiting {
            self.answer(who, &Answer::Refused(Refusal::Gone(launch)));
        }
        self.changed();
    }

    /// Takes over what an earlier keeper, or a build without keepers, has started.
    fn take_over(&mut self) -> io::Result<()> {
        for Found { id, launch, files } in takeover::find(&self.setup)? {
            let token = self.token();
            if let First::Found(_, held) = &launch.first {
                let descriptor = held.descriptor().as_raw_fd();
                self.poll.registry().register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
                self.subjects.insert(token, Subject::Found { launch: id });
            }
            self.launches.insert(id, launch);
            self.listen(&files, id);
        }
        Ok(())
    }
}

fn cause(status: WaitStatus) -> Option<ExitCause> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(ExitCause::Code(code)),
        (None, Some(signal)) => Some(ExitCause::Signal(signal)),
        // It was stopped or goes on.
        (None, None) => None,
    }
}

/// Where a launch may listen whose check is of a port: at its `PORT`, or at the host port itself.
fn checked_ports(manifest: &Manifest) -> Vec<u16> {
    let number = match &manifest.readiness.check {
        Check::Http { port, .. } | Check::Tcp { port } => *port,
        Check::Alive | Check::Exec => return Vec::new(),
    };
    let is_it = |port: &&Port| port.container_port == number && port.protocol == Protocol::Tcp;
    let port = manifest.ports.iter().find(is_it);
    port.map(|port| [port.private_port, Some(port.host_port)].into_iter().flatten().collect())
        .unwrap_or_default()
}
