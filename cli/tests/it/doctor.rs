//! `doctor`: with a server and without, where all is well and where it is not.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::bad_input::refused;
use super::{Bench, Ran, Version};

/// What `doctor` prints for programs, whatever it ends with.
fn diagnosed(ran: &Ran) -> Vec<Value> {
    let document: Value = serde_json::from_str(&ran.out).expect("one document");
    assert!(document["at"].is_string(), "{document}");
    document["findings"].as_array().expect("findings").clone()
}

fn found<'f>(findings: &'f [Value], check: &str) -> Vec<(&'f str, &'f str)> {
    let of = findings.iter().filter(|finding| finding["check"] == check);
    of.map(|finding| (finding["grade"].as_str().expect("a grade"), finding["found"].as_str().expect("words")))
        .collect()
}

/// A server of the bench's store, which ends with it.
struct Server(Child);

impl Server {
    fn start(bench: &Bench, args: &[&str]) -> Self {
        let server = Self(bench.command(&[args, &["serve"]].concat()).spawn().expect("it runs"));
        bench.until("its socket", || bench.path("landlord.db.sock").exists());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_that_is_well_says_so() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let _server = Server::start(&bench, &[]);
    let ran = bench.run(&["doctor", "-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let findings = diagnosed(&ran);
    for check in ["configuration", "server", "store", "disk", "clock", "listener: socket", "provider process"]
    {
        assert!(found(&findings, check).iter().all(|(grade, _)| *grade == "ok"), "{check}: {findings:?}");
        assert!(!found(&findings, check).is_empty(), "{check} was not looked at: {findings:?}");
    }
    assert!(found(&findings, "server")[0].1.ends_with("landlord.db.sock"));
    assert!(found(&findings, "store")[0].1.contains("(landlord-compute serve) on host"), "{findings:?}");
    assert!(found(&findings, "limits: files")[0].1.starts_with("the server may have"), "{findings:?}");
    let todo = findings.iter().filter(|finding| finding["grade"] != "ok");
    assert!(todo.clone().all(|finding| finding["todo"].is_string()), "{findings:?}");
    let shown = bench.run(&["doctor"]);
    assert!(shown.code == 0 && shown.out.starts_with("RESULT "), "{}", shown.out);
    assert_eq!(shown.out.matches("to do: ").count(), todo.count(), "{}", shown.out);
}

#[test]
fn without_a_server_it_looks_by_itself_and_changes_nothing() {
    let bench = Bench::new();
    let ran = bench.run(&["doctor", "-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let findings = diagnosed(&ran);
    let (grade, words) = found(&findings, "store")[0];
    assert!(grade == "warning" && words.ends_with("landlord.db yet"), "{words}");
    assert!(found(&findings, "server")[0].1.starts_with("no server answers"), "{findings:?}");
    assert!(found(&findings, "limits: files")[0].1.starts_with("this shell may have"), "{findings:?}");
    assert_eq!(fs::read_dir(bench.folder.path()).expect("there").count(), 0, "nothing was made");
}

#[test]
fn a_store_that_another_process_has_is_looked_at_all_the_same() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    let mut lock =
        File::options().read(true).write(true).open(bench.path("landlord.db.lock")).expect("there");
    lock.set_len(0).expect("cut");
    lock.write_all(b"process 4711 (landlord-compute provision) on host elsewhere since yesterday\n")
        .expect("written");
    lock.lock().expect("locked");
    let ran = bench.run(&["doctor", "-o", "json"]);
    lock.unlock().expect("unlocked");
    assert_eq!(ran.code, 0, "{}", ran.out);
    let findings = diagnosed(&ran);
    let (grade, words) = found(&findings, "store")[0];
    assert!(
        grade == "ok"
            && words.ends_with(
                "process 4711 (landlord-compute provision) on host elsewhere since yesterday has it"
            ),
        "{words}"
    );
}

#[test]
fn a_directory_that_is_missing_fails_with_what_to_do() {
    let bench = Bench::new();
    let ran = bench.run(&["doctor", "--store", "no/x.db", "-o", "json"]);
    assert_eq!(ran.code, 13, "{}", ran.out);
    let error: Value = serde_json::from_str(&ran.err).expect("a document");
    assert_eq!((&error["error"]["code"], &error["error"]["exit"]), (&"unwell".into(), &13.into()));
    let findings = diagnosed(&ran);
    let store = findings.iter().find(|finding| finding["check"] == "store").expect("it was looked at");
    assert!(store["todo"].as_str().is_some_and(|todo| todo.starts_with("`mkdir -p ")), "{store}");
    assert!(!bench.path("no").exists(), "nothing was made");
    let shown = bench.run(&["doctor", "--store", "no/x.db"]);
    assert!(
        shown.err.starts_with("error: 1 of ") && shown.out.contains("and no directory"),
        "{}{}",
        shown.out,
        shown.err
    );
}

/// Where nothing else reads, too: one page is enough, whichever commands do not meet it.
#[test]
fn a_page_that_is_damaged_is_found() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    bench.json(&["destroy", "acme"]);
    let store = bench.path("landlord.db");
    let sound = fs::read(&store).expect("there");
    let is_found = |page: usize| {
        let mut damaged = sound.clone();
        damaged[page * 4096..][..512].fill(0xA5);
        fs::write(&store, damaged).expect("written");
        let findings = diagnosed(&bench.run(&["doctor", "-o", "json"]));
        let of_pages =
            |(grade, words): &(&str, &str)| *grade == "failed" && words.starts_with("it is damaged: ");
        found(&findings, "store").iter().any(of_pages) && bench.run(&["events"]).code == 0
    };
    assert!((1..sound.len() / 4096).rev().any(is_found));
    fs::remove_file(&store).expect("the test's own");
}

#[test]
fn a_store_that_is_damaged_fails() {
    let bench = Bench::new();
    let spec = bench.spec("acme", &Version::good("hello"));
    bench.json(&["provision", "-f", &spec]);
    bench.json(&["destroy", "acme"]);
    let store = File::options().read(true).write(true).open(bench.path("landlord.db")).expect("there");
    let pages = store.metadata().expect("there").len() / 4096;
    for page in 1..pages {
        store.write_all_at(&[0xA5; 512], page * 4096).expect("written");
    }
    let ran = bench.run(&["doctor", "-o", "json"]);
    assert_eq!(ran.code, 13, "{}", ran.out);
    let findings = diagnosed(&ran);
    assert!(
        found(&findings, "store")
            .iter()
            .any(|(grade, words)| *grade == "failed" && words.contains("damaged")),
        "{findings:?}"
    );
    // What has to do with it goes on being looked at.
    assert_eq!(found(&findings, "provider process")[0].0, "ok");
    fs::remove_file(bench.path("landlord.db")).expect("the test's own");
}

#[test]
fn everything_that_is_wrong_with_a_configuration_is_found_beside_the_rest() {
    let bench = Bench::new();
    bench.file(
        "landlord.toml",
        "[listen]\naddress = \"127.0.0.1:0\"\ncertificate = \"no.pem\"\nkey = \"no.key\"\n\
         [telemetry]\nendpoint = \"http://user:hidden-word@127.0.0.1:9\"\n\
         [providers.process]\nno_such_key = 1\n[retry]\nfirst = \"soon\"\n",
    );
    let ran = bench.run(&["--config", "landlord.toml", "doctor", "-o", "json"]);
    assert_eq!(ran.code, 13, "{}", ran.out);
    let findings = diagnosed(&ran);
    let wrong: Vec<&str> = found(&findings, "configuration").into_iter().map(|(_, words)| words).collect();
    for words in ["retry.first", "listen: cannot read", "providers.process"] {
        assert!(wrong.iter().any(|problem| problem.contains(words)), "{words} is not in {wrong:?}");
    }
    let (grade, words) = found(&findings, "telemetry")[0];
    assert!(grade == "warning" && words.starts_with("the receiver 127.0.0.1:9 cannot be reached"), "{words}");
    assert!(!ran.out.contains("hidden-word") && !ran.err.contains("hidden-word"), "{}", ran.out);
    assert_eq!(found(&findings, "listener: certificate")[0].0, "failed");
    refused(&bench.run(&["doctor", "acme"]), 2, "unexpected argument 'acme'");
}

#[test]
fn a_port_that_somebody_has_is_found_before_a_server_is_started() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    bench.file("landlord.toml", &format!("[listen]\naddress = \"{address}\"\nplain = true\n"));
    let ran = bench.run(&["--config", "landlord.toml", "doctor", "-o", "json"]);
    assert_eq!(ran.code, 13, "{}", ran.out);
    let findings = diagnosed(&ran);
    assert_eq!(found(&findings, "listener: listen")[0].0, "failed");
    drop(taken);
    let findings = diagnosed(&bench.run(&["--config", "landlord.toml", "doctor", "-o", "json"]));
    assert_eq!(found(&findings, "listener: listen")[0].0, "ok");
}
