//! Where the follower sees the boundaries of requests.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::keeper::forward::address::Speech;
use crate::keeper::forward::http::Follower;

/// A request and its response.
#[derive(Clone, Debug)]
struct Exchange {
    request: Vec<u8>,
    response: Vec<u8>,
}

fn exchange() -> impl Strategy<Value = Exchange> {
    (any::<bool>(), body(), 0..3_usize, prop_oneof![Just(200), Just(204), Just(304), Just(404)], body())
        .prop_map(|(is_head, request, interim, status, response)| {
            let method = if is_head { "HEAD" } else { "POST" };
            let line = format!("{method} /path HTTP/1.1\r\nHost: tenant\r\n");
            let has_body = !is_head && status != 204 && status != 304;
            let mut answer = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(interim);
            answer.extend_from_slice(format!("HTTP/1.1 {status} Said\r\nServer: it\r\n").as_bytes());
            answer.extend_from_slice(response.fields.as_bytes());
            answer.extend_from_slice(if has_body { &response.bytes } else { b"" });
            Exchange {
                request: [line.as_bytes(), request.fields.as_bytes(), &request.bytes].concat(),
                response: answer,
            }
        })
}

/// The end of a head, and the body that it announces.
#[derive(Clone, Debug)]
struct Body {
    fields: String,
    bytes: Vec<u8>,
}

fn body() -> impl Strategy<Value = Body> {
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let sized = bytes
        .clone()
        .prop_map(|bytes| Body { fields: format!("content-length: {}\r\n\r\n", bytes.len()), bytes });
    let chunks = prop::collection::vec((prop::collection::vec(any::<u8>(), 1..100), any::<bool>()), 0..4);
    let chunked = (chunks, 0..3_usize).prop_map(|(chunks, trailers)| {
        let mut bytes = Vec::new();
        for (chunk, extended) in chunks {
            let extension = if extended { ";name=\"value\"" } else { "" };
            bytes.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(&chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        bytes.extend_from_slice(&b"Trailer: 0\r\n".repeat(trailers));
        bytes.extend_from_slice(b"\r\n");
        Body { fields: "Transfer-Encoding: Chunked\r\n\r\n".to_owned(), bytes }
    });
    prop_oneof![sized, chunked]
}

/// Cuts bytes at these places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> =
        cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Between two requests, and nowhere else, whatever the pieces.
    #[test]
    fn boundaries_do_not_depend_on_the_pieces(
        exchanges in prop::collection::vec(exchange(), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut follower = Follower::new(Speech::Http);
        for exchange in &exchanges {
            prop_assert!(follower.is_between());
            let mut sent = 0;
            for piece in pieces(&exchange.request, &cuts) {
                follower.sent(piece);
                sent += piece.len();
                prop_assert_eq!(follower.is_request_whole(), sent == exchange.request.len() || sent == 0);
                prop_assert_eq!(follower.is_between(), sent == 0);
            }
            let mut received = 0;
            for piece in pieces(&exchange.response, &cuts) {
                follower.received(piece);
                received += piece.len();
                prop_assert_eq!(follower.is_between(), received == exchange.response.len());
            }
        }
    }

    /// All requests before all responses.
    #[test]
    fn pipelined_requests_are_even_after_the_last_response(
        exchanges in prop::collection::vec(exchange(), 1..6),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut follower = Follower::new(Speech::Http);
        let join = |of: fn(&Exchange) -> &Vec<u8>| exchanges.iter().flat_map(of).copied().collect::<Vec<u8>>();
        for piece in pieces(&join(|one| &one.request), &cuts) {
            follower.sent(piece);
        }
        let responses = join(|one| &one.response);
        let mut received = 0;
        for piece in pieces(&responses, &cuts) {
            prop_assert!(!follower.is_between());
            follower.received(piece);
            received += piece.len();
            if received == responses.len() {
                break;
            }
        }
        prop_assert!(follower.is_between());
    }

    /// Garbage makes it opaque or stays inside a message. It never panics, and opaque stays opaque.
    #[test]
    fn garbage_is_never_between_two_requests(
        garbage in prop::collection::vec(any::<u8>(), 1..200),
        begin in 0..3_usize,
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let begin: &[u8] = [&b""[..], b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"][begin];
        let mut follower = Follower::new(Speech::Http);
        for piece in pieces(&[begin, &garbage].concat(), &cuts) {
            let was_opaque = matches!(follower, Follower::Opaque);
            follower.sent(piece);
            follower.received(piece);
            prop_assert!(!was_opaque || matches!(follower, Follower::Opaque));
            prop_assert!(piece.is_empty() || !follower.is_between());
        }
    }
}

/// Two implementations may read these in different ways, or the connection ends with them.
#[test]
fn what_cannot_be_followed_for_sure_is_opaque() {
    let requests = [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\n\nGET / HTTP/1.1\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy",
        "\x16\x03\x01",
    ];
    for request in requests {
        let mut follower = Follower::new(Speech::Http);
        follower.sent(request.as_bytes());
        assert!(matches!(follower, Follower::Opaque), "{request:?}");
    }
    let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "220 ready\r\n\r\n",
    ];
    for response in responses {
        let mut follower = Follower::new(Speech::Http);
        follower.sent(b"GET / HTTP/1.1\r\n\r\n");
        follower.received(response.as_bytes());
        assert!(matches!(follower, Follower::Opaque), "{response:?}");
    }
    let mut follower = Follower::new(Speech::Http);
    follower.sent(b"GET / HTTP/1.1\r\nCookie: ");
    for _ in 0..17 {
        follower.sent(&[b'x'; 1024]);
    }
    assert!(matches!(follower, Follower::Opaque), "a head without end");
}

#[test]
fn a_body_that_ends_with_the_connection_is_never_over() {
    let mut follower = Follower::new(Speech::Http);
    follower.sent(b"GET / HTTP/1.1\r\n\r\n");
    follower.received(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(!follower.is_between());
}

#[test]
fn http_1_0_with_keep_alive_goes_on() {
    let mut follower = Follower::new(Speech::Http);
    follower.sent(b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    follower.received(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    assert!(follower.is_between());
}
