//! What clients connect to.

/// An address of a tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host_port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Tcp(Speech),
    Udp,
}

/// Who can reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// This machine, at 127.0.0.1.
    Loopback,
    /// All addresses of this machine, of IPv6 too where it has that.
    All,
}

/// What is spoken on its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Speech {
    /// HTTP/1, as far as it can be followed. Between two requests a connection goes over to another target.
    Http,
    /// Anything else. A connection stays with its target.
    Opaque,
}
