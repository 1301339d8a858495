//! What the figures were measured on.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use landlord_benchmark_page::{Results, Unit};

use crate::subjects::restate;

/// Notes the machine, and the versions of what runs on it.
pub(crate) fn describe(results: &mut Results) {
    let cpu = read("/proc/cpuinfo");
    let cpu = field(&cpu, "model name").unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read("/proc/meminfo");
    let memory = field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let memory = memory.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.1} GiB", kib / 1048576.0));
    let kernel = read("/proc/sys/kernel/osrelease");
    let folder = std::env::temp_dir();
    results.note("processor", format!("{cpu}, {cores} cores"));
    results.note("memory", memory);
    results.note("kernel", format!("Linux {}", kernel.trim()));
    results.note("databases are in", format!("{} ({})", folder.display(), file_system(&folder)));
    results.note("one fsync there", fsync(&folder).unwrap_or_else(|error| format!("not measured: {error}")));
    results.note("compiler", output("rustc", &["--version"]));
    results.note("SQLite", rusqlite::version());
    results.note("PostgreSQL", postgres());
    results.note("Erlang/OTP", erlang());
    results.note("Restate", restate::version().unwrap_or_else(|| "none".to_owned()));
    results.note("Valgrind", output("valgrind", &["--version"]).trim_start_matches("valgrind-"));
    results.note("date", output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    results.note("commit", output("git", &["describe", "--always", "--dirty"]));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line `name : value`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// What a command prints, in one line.
fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Ok(_) | Err(_) => "none".to_owned(),
    }
}

/// The newest one that is installed, which the benchmark starts.
fn postgres() -> String {
    let installed = Path::new("/usr/lib/postgresql").exists();
    let version = || output(landlord_testing::postgres::programs().join("postgres"), &["--version"]);
    if installed { version() } else { "none".to_owned() }
}

fn erlang() -> String {
    let version =
        "io:format(\"~s, ERTS ~s\", [erlang:system_info(otp_release), erlang:system_info(version)]), halt().";
    output("erl", &["-noshell", "-eval", version])
}

/// The type of the file system that holds a folder, as the kernel calls it.
fn file_system(folder: &Path) -> String {
    let mounts = read("/proc/self/mounts");
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder.starts_with(point).then_some((point.len(), kind))
    });
    mounted.max().map_or_else(|| "unknown file system".to_owned(), |(_, kind)| kind.to_owned())
}

/// The median time of writing 4 KiB at the end of a file and having it on the disk.
fn fsync(folder: &Path) -> std::io::Result<String> {
    const TIMES: usize = 101;
    let folder = tempfile::tempdir_in(folder)?;
    let mut file = File::create(folder.path().join("fsync"))?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort();
    let median = Unit::Seconds.show(times[TIMES / 2].as_secs_f64());
    Ok(format!("{median} (median of {TIMES}, 4 KiB appended)"))
}
