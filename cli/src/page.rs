//! `page`: the way from a browser to the socket of the server that runs, for this user and root alone as the socket is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use landlord_client::Client;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

use super::failure::Failure;
use super::place::Place;
use super::screen::Screen;
use super::signals::Signals;

/// How many connections there may be at a time.
const CONNECTIONS: usize = 256;

/// Takes connections on the loopback and hands them to the server, until Ctrl-C or SIGTERM.
pub(crate) async fn page(screen: &Screen, place: &Place, port: u16) -> Result<(), Failure> {
    let socket: Arc<Path> = place.kept().socket().into();
    if !Client::answers(&socket).await {
        let source =
            io::Error::new(io::ErrorKind::NotConnected, "no server runs; start one: landlord-compute serve");
        return Err(Failure::System { doing: "reach the server of this store", source });
    }
    let failed = |source| Failure::System { doing: "listen on the loopback", source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut signals = Signals::listen()?;
    screen.note(&format!("http://{address}/ is the page, for this user and root; Ctrl-C ends this"));
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let taken = tokio::select! {
            _ = signals.next() => return Ok(()),
            taken = listener.accept() => taken,
        };
        // One that was cut before it was taken.
        let Ok((browser, from)) = taken else { continue };
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return Ok(()) };
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            if let Err(error) = forward(browser, from, &socket).await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
}

async fn forward(mut browser: TcpStream, from: SocketAddr, socket: &Path) -> io::Result<()> {
    let here = browser.local_addr()?;
    let ours = rustix::process::geteuid().as_raw();
    let whose = tokio::task::spawn_blocking(move || owner(from, here)).await??;
    match whose {
        Some(uid) if uid == ours || uid == 0 => {}
        Some(_) | None => {
            tracing::warn!(?whose, "somebody else has connected, and is not answered");
            return Ok(());
        }
    }
    browser.set_nodelay(true)?;
    let mut server = UnixStream::connect(socket).await?;
    copy_bidirectional(&mut browser, &mut server).await?;
    Ok(())
}

/// Whose the other end of a connection is, which is on this machine. None where the system does not know it.
fn owner(from: SocketAddr, here: SocketAddr) -> io::Result<Option<u32>> {
    Ok(owner_in(&std::fs::read_to_string("/proc/net/tcp")?, from, here))
}

/// The same in the system's table of connections.
fn owner_in(table: &str, from: SocketAddr, here: SocketAddr) -> Option<u32> {
    let (from, here) = (in_table(from)?, in_table(here)?);
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, uid, _, inode, ..] = fields[..] else { return None };
        // An end that is being closed is nobody's, and is shown as root's.
        let is_held = state == "01" && inode != "0";
        (local == from && remote == here && is_held).then(|| uid.parse().ok()).flatten()
    })
}

/// An address as the table has it.
fn in_table(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1E61 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:C350 0100007F:1E61 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 4 30 10 -1
   2: 0100007F:C351 0100007F:1E61 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0
   3: 0100007F:C352 0100007F:1E61 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   4: 0100007F:1E61 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4 30 10 -1
";

    #[test]
    fn a_connection_is_whose_its_other_end_is() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let here = at(0x1E61);
        assert_eq!(owner_in(TABLE, at(0xC350), here), Some(1000));
        assert_eq!(owner_in(TABLE, at(0xC351), here), None, "it is being closed");
        assert_eq!(owner_in(TABLE, at(0xC352), here), None, "nobody holds it");
        assert_eq!(owner_in(TABLE, at(0xC353), here), None, "there is none");
    }

    #[tokio::test]
    async fn a_connection_of_this_process_is_of_its_user() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let here = listener.local_addr().unwrap();
        let held = TcpStream::connect(here).await.unwrap();
        let (_taken, from) = listener.accept().await.unwrap();
        assert_eq!(owner(from, here).unwrap(), Some(rustix::process::geteuid().as_raw()));
        drop(held);
    }
}
