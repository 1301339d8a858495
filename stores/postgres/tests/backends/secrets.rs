//! TLS and passwords.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use landlord_compute::store::{Store, StoreError};
use landlord_store_postgres::{PostgresOptions, PostgresStore};

use landlord_testing::postgres::give;

use super::cluster::Cluster;

fn openssl(directory: &Path, arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).current_dir(directory).output().expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate of it for `localhost`; all in one directory.
fn certificates() -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("pgtls").tempdir_in("/tmp").expect("a directory");
    let at = directory.path();
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let authority = ["req", "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(at, &[&authority[..], &ec[..]].concat());
    let server = [
        "req",
        "-x509",
        "-subj",
        "/CN=server",
        "-keyout",
        "server.key",
        "-out",
        "server.pem",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
    ];
    openssl(at, &[&server[..], &ec[..]].concat());
    for file in ["server.key", "server.pem", "ca.pem"] {
        give(&at.join(file)).expect("ours");
        fs::set_permissions(at.join(file), fs::Permissions::from_mode(0o600)).expect("ours");
    }
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("ours");
    directory
}

fn options(cluster: &Cluster, host: &str, rest: &str) -> PostgresOptions {
    let port = cluster.port();
    PostgresOptions::new(&format!("postgres://postgres:hunter2@{host}:{port}/postgres?{rest}"))
        .expect("a good URL")
}

/// A server that speaks TLS, and what leads to a database with tables that way.
pub(super) async fn over_tls(settings: &str) -> (Cluster, PostgresOptions, tempfile::TempDir) {
    let certificates = certificates();
    let at = certificates.path().display();
    let tls = format!("ssl = on\nssl_cert_file = '{at}/server.pem'\nssl_key_file = '{at}/server.key'");
    let cluster = Cluster::start_with(&format!("{tls}\n{settings}")).await;
    let ca = Some(certificates.path().join("ca.pem"));
    let trusted = PostgresOptions { ca, ..options(&cluster, "localhost", "sslmode=verify-full") };
    PostgresStore::migrate(&trusted).await.expect("migrates over TLS");
    (cluster, trusted, certificates)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_certificate_is_checked_with_its_name() {
    let (cluster, trusted, _certificates) = over_tls("").await;
    let ca = trusted.ca.clone();
    let store = PostgresStore::new(trusted);
    store.open().await.expect("opens over TLS");
    let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'landlord-compute' AND NOT ssl";
    let count: i64 = cluster.client("postgres").await.query_one(plain, &[]).await.expect("reads").get(0);
    assert_eq!(count, 0, "every connection is secret");

    for (host, ca) in [("localhost", None), ("127.0.0.1", ca)] {
        let options = PostgresOptions { ca, ..options(&cluster, host, "sslmode=require") };
        let error = PostgresStore::plan(&options).await.expect_err("must not connect");
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: ./test.sh backends"]
async fn a_wrong_password_is_told_and_not_shown() {
    let cluster = Cluster::start().await;
    cluster.run("postgres", "ALTER ROLE postgres PASSWORD 'right'").await;
    fs::write(cluster.data().join("pg_hba.conf"), "host all all 127.0.0.1/32 scram-sha-256\n")
        .expect("writes");
    cluster.run("postgres", "SELECT pg_reload_conf()").await;
    super::cluster::until("the password is asked for", async || {
        let told = PostgresStore::plan(&options(&cluster, "127.0.0.1", "sslmode=disable")).await;
        match told {
            Ok(_) => false,
            Err(error) => {
                assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
                assert!(error.to_string().contains("the password is wrong"), "{error}");
                true
            }
        }
    })
    .await;
}
