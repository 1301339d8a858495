//! A tenant's program for tests with real processes: the test binary itself, as a small web server.
//!
//! A test binary has a test that calls [`serve_if_asked`] and does nothing else; [`program`] says how to start it.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and stops")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

/// Set where the test binary is started as a tenant's program.
const ROLE: (&str, &str) = ("TENANT_TEST_ROLE", "server");

/// Answers every HTTP request on `PORT` with 200 for ever, where this process was started by [`program`]; else
/// returns at once.
pub fn serve_if_asked() {
    let (variable, role) = ROLE;
    if std::env::var(variable).as_deref() != Ok(role) {
        return;
    }
    let port: u16 = std::env::var("PORT").expect("PORT is set").parse().expect("PORT is a number");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("PORT is free");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = [0; 1024];
        // A tcp check connects and says nothing.
        if stream.read(&mut request).is_ok_and(|read| read > 0) {
            let _closed =
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        }
    }
}

/// The program of a tenant that listens on `PORT`: its path, its arguments and a variable that it needs. `test` is
/// the test that calls [`serve_if_asked`].
pub fn program(test: &str) -> (PathBuf, [&str; 3], (&'static str, &'static str)) {
    (std::env::current_exe().expect("this program"), ["--exact", test, "--nocapture"], ROLE)
}
