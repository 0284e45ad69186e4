//! Runs a program, first of all the built `tokenwatch`, and watches what it prints.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, mem};

use super::{children, wait};

/// The built program with these arguments and none of this machine's settings.
pub fn tokenwatch<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenwatch"));
    command.args(arguments);
    env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

/// A configuration key's name holds two underscores; the names that steer these tests do not.
fn is_setting(name: &str) -> bool {
    name == "RUST_LOG" || name.strip_prefix("TOKENWATCH_").is_some_and(|key| key.contains("__"))
}

/// Runs a program to its end and panics if that takes longer than `patience`.
#[track_caller]
pub fn run(command: Command, patience: Duration) -> Finished {
    Running::start(command).wait(patience)
}

/// Like [`run`], with `input` on standard input.
#[track_caller]
pub fn run_with_input(command: Command, input: impl Into<Vec<u8>>, patience: Duration) -> Finished {
    let (mut running, mut stdin) = Running::start_with_stdin(command);
    let input = input.into();
    // Written from a thread of its own: the program may print more than a pipe holds before it has read everything.
    let writer = thread::spawn(move || {
        // A program may end without reading all of its input; its exit code tells whether it should have.
        let _ = stdin.write_all(&input);
    });
    let finished = running.finish(patience);
    writer.join().expect("the writer does not panic");
    finished
}

/// How a program ended and everything it printed.
#[derive(Debug)]
pub struct Finished {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Standard error, byte for byte.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// The exit code; `None` after a signal.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output, which a well-behaved program writes as UTF-8.
    #[track_caller]
    pub fn stdout(&self) -> &str {
        str::from_utf8(&self.stdout).expect("the program prints UTF-8 on standard output")
    }

    /// Standard error, likewise.
    #[track_caller]
    pub fn stderr(&self) -> &str {
        str::from_utf8(&self.stderr).expect("the program prints UTF-8 on standard error")
    }

    /// Panics with everything the program printed unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            Some(code),
            "exit code; {}\n--- stdout\n{}\n--- stderr\n{}",
            self.status,
            String::from_utf8_lossy(&self.stdout),
            String::from_utf8_lossy(&self.stderr),
        );
        self
    }
}

/// A program that is running; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

impl Running {
    /// Starts a program with nothing on standard input.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts a program whose standard input ends when the returned handle is dropped.
    #[track_caller]
    pub fn start_with_stdin(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut running = Self::spawn(command);
        let stdin = running.child.stdin.take().expect("standard input was asked for");
        (running, stdin)
    }

    #[track_caller]
    fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = command.get_program().to_owned();
        let mut child =
            children::spawn(command).unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let stdout = Capture::of(child.stdout.take().expect("standard output was asked for"));
        let stderr = Capture::of(child.stderr.take().expect("standard error was asked for"));
        Self { child, stdout, stderr }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it occupies; `None` where only Linux would tell.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// What it has printed on standard output so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.so_far()).into_owned()
    }

    /// What it has printed on standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }

    /// Waits until `found` finds in standard output what it looks for; panics if the program ends first.
    #[track_caller]
    pub fn wait_for_stdout<T>(&mut self, what: &str, patience: Duration, found: impl Fn(&str) -> Option<T>) -> T {
        self.wait_for_text(what, patience, Self::stdout, found)
    }

    /// The same for standard error, where logs and status lines go.
    #[track_caller]
    pub fn wait_for_stderr<T>(&mut self, what: &str, patience: Duration, found: impl Fn(&str) -> Option<T>) -> T {
        self.wait_for_text(what, patience, Self::stderr, found)
    }

    #[track_caller]
    fn wait_for_text<T>(
        &mut self,
        what: &str,
        patience: Duration,
        text: fn(&Self) -> String,
        found: impl Fn(&str) -> Option<T>,
    ) -> T {
        let outcome = wait::try_until(patience, || {
            // Asked before the text is looked at, so that a program's last words count.
            let ended = self.exit_status();
            match (found(&text(self)), ended) {
                (Some(value), _) => Ok(Ok(value)),
                (None, Some(status)) => self.output_is_closed().map(|()| {
                    // What it printed between the two looks is there now.
                    found(&text(self)).ok_or_else(|| format!("ended with {status}"))
                }),
                (None, None) => Err(format!("not within {patience:?}")),
            }
        });
        outcome.and_then(|value| value).unwrap_or_else(|why| panic!("{what}: {why}\n{}", self.printed()))
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a started child can be waited for")
    }

    /// Asks it to stop, as an orchestrator does.
    pub fn terminate(&mut self) {
        self.signal(libc::SIGTERM);
    }

    /// Asks it to stop, as Ctrl-C does.
    pub fn interrupt(&mut self) {
        self.signal(libc::SIGINT);
    }

    /// Asks it to look at its files anew.
    pub fn hang_up(&mut self) {
        self.signal(libc::SIGHUP);
    }

    /// Ends it at once, as a crash does; [`Running::wait`] then tells how it ended.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
    }

    /// SIGSTOP: it does nothing until it is woken, and does not know that it did nothing.
    pub fn freeze(&mut self) {
        self.signal(libc::SIGSTOP);
    }

    /// SIGCONT.
    pub fn wake(&mut self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&mut self, signal: libc::c_int) {
        if self.exit_status().is_some() {
            return;
        }
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process id fits the type made for it");
        // SAFETY: the child had not been waited for, so the id is still its own, even if it has ended since.
        let _ = unsafe { libc::kill(pid, signal) };
    }

    /// Waits for the end; panics with what it printed if that takes longer than `patience`.
    #[track_caller]
    pub fn wait(mut self, patience: Duration) -> Finished {
        self.finish(patience)
    }

    #[track_caller]
    fn finish(&mut self, patience: Duration) -> Finished {
        let status = wait::try_until(patience, || {
            let status = self.exit_status().ok_or("still running")?;
            self.output_is_closed().map(|()| status)
        });
        let status = status.unwrap_or_else(|why| panic!("{why} after {patience:?}\n{}", self.printed()));
        Finished { status, stdout: self.stdout.finish(), stderr: self.stderr.finish() }
    }

    /// Pipes close when the program and whatever it started have ended.
    fn output_is_closed(&self) -> Result<(), String> {
        let closed = self.stdout.is_closed() && self.stderr.is_closed();
        if closed { Ok(()) } else { Err("ended, but something that it started holds its output open".into()) }
    }

    fn printed(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that comes out of a pipe, read by a thread so that the program never blocks on it.
#[derive(Debug)]
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn so_far(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Everything, once the pipe is closed.
    fn finish(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        mem::take(&mut *self.so_far())
    }
}

#[test]
fn settings_are_told_from_what_steers_the_tests() {
    assert!(is_setting("TOKENWATCH_KAFKA__GROUP_ID") && is_setting("RUST_LOG"));
    assert!(!is_setting("TOKENWATCH_REQUIRE_KAFKA") && !is_setting("PATH"));
}
