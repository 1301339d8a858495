//! What a person sees on a terminal, and is asked there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::{Bench, Version};

/// Written when the program has ended.
const END: &str = "<the end>";

/// A program on a terminal of 80 columns.
struct Terminal {
    /// The program's side.
    theirs: File,
    keys: File,
    shown: Receiver<Vec<u8>>,
    screen: String,
    child: Child,
}

impl Terminal {
    fn new(mut command: Command) -> Self {
        let ours =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it can be used");
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("it has a size");
        let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("text");
        let mut theirs = OpenOptions::new();
        let flags = i32::try_from(OFlags::NOCTTY.bits()).expect("a flag");
        let theirs = theirs.read(true).write(true).custom_flags(flags).open(name).expect("it opens");
        let again = || theirs.try_clone().expect("another descriptor");
        command.env("TERM", "xterm").stdin(again()).stdout(again()).stderr(again());
        let child = command.spawn().expect("it starts");
        let (tell, shown) = channel();
        let keys = File::from(ours);
        let mut screen = keys.try_clone().expect("another descriptor");
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut piece) {
                if tell.send(piece[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { theirs, keys, shown, screen: String::new(), child }
    }

    /// Waits until this is on the screen, or has been.
    fn shows(&mut self, what: &str) {
        while !self.screen.contains(what) {
            let Ok(piece) = self.shown.recv_timeout(Duration::from_secs(60)) else {
                panic!("no {what:?} in {:?}", self.screen);
            };
            self.screen += &String::from_utf8_lossy(&piece);
        }
    }

    fn types(&mut self, line: &str) {
        self.keys.write_all(line.as_bytes()).expect("typed");
    }

    /// How it ends, and everything that it has shown.
    fn ends(mut self) -> (Option<i32>, String) {
        let ended = self.child.wait().expect("it ends");
        // What was written before is read before, and a terminal that nobody has loses what was not read.
        self.theirs.write_all(END.as_bytes()).expect("written");
        self.shows(END);
        (ended.code(), self.screen.replace(END, ""))
    }
}

fn apply(bench: &Bench, file: &str, more: &[&str]) -> Terminal {
    Terminal::new(bench.command(&[&["apply", "-f", file][..], more].concat()))
}

#[test]
fn what_is_applied_is_seen_on_its_way_and_then_in_a_line() {
    let bench = Bench::new();
    let specs = ["acme", "bravo"].map(|tenant| Version::good("hello").spec(tenant).to_string());
    let file = bench.file("both.yaml", &specs.join("\n---\n"));
    let mut terminal = apply(&bench, &file, &[]);
    terminal.shows("of 2 done");
    terminal.shows("on their way");
    let (code, screen) = terminal.ends();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.ends_with(": 2 created\r\n"), "{screen:?}");
    // What was drawn is cleared again, a line for each on its way below the first, and the summary stands where that was.
    let before = screen.rsplit("2 tenants in ").nth(1).expect("a summary");
    let (_, up) = before.rsplit_once("\u{1b}[2K\u{1b}[").expect("a line that is cleared");
    assert!(["1A", "2A"].contains(&up), "{before:?}");
}

#[test]
fn who_prunes_is_asked_first() {
    let bench = Bench::new();
    let [acme, bravo] = ["acme", "bravo"].map(|tenant| bench.spec(tenant, &Version::good("hello")));
    bench.json(&["apply", "-f", &acme, &bravo]);
    for (answer, code, left) in
        [("n\n", 2, "acme\nbravo\n"), ("\n", 2, "acme\nbravo\n"), ("y\n", 0, "acme\n")]
    {
        let mut terminal = apply(&bench, &acme, &["--prune", "--all-tenants"]);
        terminal.shows("Destroy tenant bravo, which is in no file? [y/N] ");
        terminal.types(answer);
        let (ended, screen) = terminal.ends();
        assert_eq!(ended, Some(code), "{answer:?}: {screen}");
        assert_eq!(bench.run(&["list", "-o", "name"]).out, left, "{answer:?}");
    }
}
