//! Where a server listens: whether it can, and for how long its certificate is valid.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use landlord_api::Finding;
use landlord_server::Security;

use super::Looks;
use crate::configuration::Listen;
use crate::failure::with_causes;
use crate::place::Place;

/// The most bytes of a socket's path, by the kernel.
const LONGEST: usize = 107;
/// A certificate that ends within this should be renewed.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Where a server listens, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listeners {
    socket: PathBuf,
    ports: Vec<Port>,
    certificate: Option<Shown>,
}

/// A TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Port {
    /// Where the configuration names it.
    name: &'static str,
    address: SocketAddr,
    state: PortState,
}

/// Whether a port can be listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PortState {
    /// This server does.
    Ours,
    Free,
    /// It cannot, and why.
    Refused(String),
}

/// A certificate's file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    file: PathBuf,
    /// From when until when it is valid, as far as it says; or why it cannot be used.
    validity: Result<Option<(Timestamp, Timestamp)>, String>,
}

impl Listeners {
    pub(super) fn look(place: &Place, who: Looks) -> Self {
        let configuration = place.configuration();
        let listen = configuration.listen.as_ref().map(|listen| ("listen", listen.address));
        let metrics =
            configuration.telemetry.metrics_address.map(|address| ("telemetry.metrics_address", address));
        let ports = listen.into_iter().chain(metrics).map(|(name, address)| Port {
            name,
            address,
            state: match (who, TcpListener::bind(address)) {
                (Looks::Server, _) => PortState::Ours,
                (Looks::Command, Ok(_)) => PortState::Free,
                (Looks::Command, Err(error)) => PortState::Refused(error.to_string()),
            },
        });
        let certificate = configuration.listen.as_ref().and_then(shown);
        Self { socket: place.kept().socket(), ports: ports.collect(), certificate }
    }

    pub(super) fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let ports = self.ports.iter().map(of_port);
        let certificate = self.certificate.as_ref().map(|shown| of_certificate(shown, now));
        std::iter::once(of_socket(&self.socket)).chain(ports).chain(certificate).collect()
    }
}

fn shown(listen: &Listen) -> Option<Shown> {
    let file = listen.certificate.clone()?;
    let validity = match listen.security() {
        Ok(Security::Tls(certificates)) => Ok(certificates.validity()),
        Ok(Security::PlainOnLoopback) => return None,
        Err(error) => Err(with_causes(&error)),
    };
    Some(Shown { file, validity })
}

fn of_socket(socket: &Path) -> Finding {
    const CHECK: &str = "listener: socket";
    let (name, length) = (socket.display(), socket.as_os_str().as_bytes().len());
    match length {
        ..=LONGEST => Finding::ok(CHECK, format!("{name}, for this user and root")),
        _ => Finding::failed(
            CHECK,
            format!("the path {name} has {length} bytes, and the kernel takes {LONGEST} for a socket"),
            "keep the store at a shorter path: the socket is beside it",
        ),
    }
}

fn of_port(port: &Port) -> Finding {
    let Port { name, address, state } = port;
    let check = format!("listener: {name}");
    match state {
        PortState::Ours => Finding::ok(check, format!("the server listens on {address}")),
        PortState::Free => Finding::ok(check, format!("{address} is free")),
        PortState::Refused(why) => Finding::failed(
            check,
            format!("nobody can listen on {address}: {why}"),
            "end what has the port, or name an address of this machine and a free port",
        ),
    }
}

fn of_certificate(shown: &Shown, now: Timestamp) -> Finding {
    const CHECK: &str = "listener: certificate";
    const RENEW: &str =
        "renew it, and write the new one in its place: a server that runs takes it up within seconds";
    let name = shown.file.display();
    match &shown.validity {
        Err(why) => Finding::failed(
            CHECK,
            why,
            "correct the files; a server that runs shows its old certificate on until then",
        ),
        Ok(None) => Finding::warning(
            CHECK,
            format!("{name} does not say until when it is valid"),
            "look at it with `openssl x509 -text`",
        ),
        Ok(Some((from, _))) if now < *from => Finding::failed(
            CHECK,
            format!("{name} is valid only from {from:.0} on"),
            "use one that is valid now, or set the clock",
        ),
        Ok(Some((_, until))) if *until <= now => {
            Finding::failed(CHECK, format!("{name} ended at {until:.0}: no client trusts it"), RENEW)
        }
        Ok(Some((_, until))) => {
            let left = until.duration_since(now);
            let found = format!("{name} is valid for {} d more, until {until:.0}", left.as_hours() / 24);
            if left < SOON { Finding::warning(CHECK, found, RENEW) } else { Finding::ok(CHECK, found) }
        }
    }
}

#[cfg(test)]
mod tests {
    use landlord_api::Grade;

    use super::*;

    #[test]
    fn a_certificate_is_judged_by_its_days() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let day = |days: i64| now + SignedDuration::from_hours(24 * days);
        let judged = |validity| of_certificate(&Shown { file: "server.pem".into(), validity }, now);
        let well = judged(Ok(Some((day(-1), day(30)))));
        assert!(well.grade == Grade::Ok && well.found.contains("30 d more"), "{well:?}");
        let soon = judged(Ok(Some((day(-1), day(13)))));
        assert!(soon.grade == Grade::Warning && soon.found.contains("13 d more"), "{soon:?}");
        assert_eq!(judged(Ok(Some((day(-9), day(0))))).grade, Grade::Failed);
        assert_eq!(judged(Ok(Some((day(1), day(30))))).grade, Grade::Failed);
        assert_eq!(judged(Ok(None)).grade, Grade::Warning);
        assert_eq!(judged(Err("cannot read server.pem as PEM".to_owned())).grade, Grade::Failed);
    }

    #[test]
    fn a_port_that_somebody_has_is_told() {
        let address = "127.0.0.1:8443".parse().unwrap();
        let judged = |state| of_port(&Port { name: "listen", address, state }).grade;
        assert_eq!([judged(PortState::Ours), judged(PortState::Free)], [Grade::Ok, Grade::Ok]);
        assert_eq!(judged(PortState::Refused("Address already in use".to_owned())), Grade::Failed);
    }

    #[test]
    fn a_socket_has_a_short_path() {
        assert_eq!(of_socket(Path::new("/var/lib/landlord/landlord.db.sock")).grade, Grade::Ok);
        let long = format!("/{}/landlord.db.sock", "deep/".repeat(20));
        assert_eq!(of_socket(Path::new(&long)).grade, Grade::Failed);
    }
}
