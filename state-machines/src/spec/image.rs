//! Whether an image is named by a valid OCI reference.
//!
//! The grammar is that of the reference implementation, `distribution/reference`:
//! `[domain[:port]/]component[/component…][:tag][@algorithm:hex]`. Written out because the crates that parse
//! it bring a regex engine and derive macros with them; here it is only needed whether it is valid, and why not.

/// What is wrong with an image as an OCI reference, and what to write; `None` when it is valid.
pub fn oci_image_problem(image: &str) -> Option<String> {
    let what = problem(image)?;
    let example = "nginx:1.28 or registry.example.com/team/app@sha256:…";
    Some(format!("not a valid image reference: {what}; write it like {example}"))
}

fn problem(image: &str) -> Option<&'static str> {
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    // A colon after the last slash is a tag's; one before it is a port's.
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match named[last..].find(':') {
        Some(colon) => (&named[..last + colon], Some(&named[last + colon + 1..])),
        None => (named, None),
    };
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if is_domain_like(first) => (Some(first), rest),
        Some(_) | None => (None, name),
    };
    if name.is_empty() {
        Some("the name is missing")
    } else if name.len() > 255 {
        Some("the name is longer than 255 characters")
    } else if domain.is_some_and(|domain| !is_domain(domain)) {
        Some("the part before the first '/' is not a host name with an optional port")
    } else if path.bytes().any(|b| b.is_ascii_uppercase()) {
        Some("the name has upper-case letters")
    } else if !path.split('/').all(is_component) {
        Some("the name may only have a-z and 0-9, separated by '/', '.', '_', '__' or '-'")
    } else if domain.is_none() && is_hex(path, 64) {
        Some("64 hexadecimal digits are an image id, not a name")
    } else if tag.is_some_and(|tag| !is_tag(tag)) {
        Some("the tag must be 1 to 128 of letters, digits, '_', '.' and '-', not starting with '.' or '-'")
    } else if digest.is_some_and(|digest| !is_digest(digest)) {
        Some("the digest must be like sha256: and 64 hexadecimal digits")
    } else {
        None
    }
}

/// Whether the first part of a name says where the registry is, rather than being part of the path.
fn is_domain_like(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':', '[']) || part.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        Some(_) | None => (domain, None),
    };
    let port_ok = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_domain_label),
    };
    port_ok && host_ok
}

fn is_domain_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Runs of a-z and 0-9 with one separator between each two: '.', '_', '__' or any number of '-'.
fn is_component(component: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    component.bytes().next().is_some_and(word)
        && component.bytes().last().is_some_and(word)
        && separators.into_iter().all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && !tag.starts_with(['.', '-'])
}

fn is_digest(digest: &str) -> bool {
    match digest.split_once(':') {
        Some(("sha256", hex)) => is_hex(hex, 64),
        Some(("sha384", hex)) => is_hex(hex, 96),
        Some(("sha512", hex)) => is_hex(hex, 128),
        Some(_) | None => false,
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
