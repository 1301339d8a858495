//! What each tenant runs: a server with one thread and next to no memory of its own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

/// The word that asks for it; the port follows, or is `PORT`.
const SERVE: &str = "serve";

/// Serves for ever, if this process was started for that.
pub(crate) fn serve_if_asked() {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some(SERVE) {
        return;
    }
    let port = words.next().or_else(|| std::env::var("PORT").ok()).expect("a port");
    let port: u16 = port.parse().expect("a number");
    for mut client in TcpListener::bind(("127.0.0.1", port)).expect("the port is free").incoming().flatten() {
        // Whoever asks may have gone.
        let _gone = client.read(&mut [0; 1024]).and_then(|_| {
            client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        });
    }
}

/// The command.
pub(crate) fn command() -> (PathBuf, &'static str) {
    (std::env::current_exe().expect("this program"), SERVE)
}
