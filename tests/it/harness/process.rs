//! Processes are started, watched and ended as `support::process` says, whatever becomes of the tests.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, panic, process, thread};

use crate::support::process::{Running, run, run_with_input, tokenwatch};
use crate::support::{children, net, scratch, wait};

/// Guards the test that aborts against a run of all ignored tests.
const MAY_ABORT: &str = "TOKENWATCH_HARNESS_MAY_ABORT";

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn output_and_exit_code_are_captured_apart() {
    let finished = run(shell("echo out; echo err >&2; exit 3"), wait::PATIENCE).expect_code(3);
    assert_eq!((finished.stdout(), finished.stderr()), ("out\n", "err\n"));
}

#[test]
fn the_built_program_runs() {
    let finished = run(tokenwatch(["--version"]), wait::PATIENCE).expect_code(0);
    assert_eq!(finished.stdout().trim(), concat!("tokenwatch ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn input_larger_than_a_pipe_comes_back_whole() {
    let input: Vec<u8> = (0..1_000_000).map(|i| b'a' + u8::try_from(i % 26).expect("below 26")).collect();
    let finished = run_with_input(shell("cat"), input.clone(), wait::PATIENCE);
    assert!(finished.stdout == input, "{} bytes came back", finished.stdout.len());
}

#[test]
fn a_terminated_program_may_say_goodbye() {
    let mut running =
        Running::start(shell("trap '' INT; trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"));
    running.wait_for_stdout("the first line", wait::PATIENCE, |text| text.contains("up\n").then_some(()));
    running.interrupt();
    assert_eq!(running.exit_status(), None, "told to ignore Ctrl-C");
    running.terminate();
    let finished = running.wait(wait::PATIENCE).expect_code(0);
    assert_eq!(finished.stdout(), "up\nbye\n");
}

#[test]
fn a_killed_program_has_no_exit_code() {
    let mut running = Running::start(shell("echo up >&2; exec sleep 1000"));
    running.wait_for_stderr("the first line", wait::PATIENCE, |text| text.contains("up\n").then_some(()));
    running.kill();
    let finished = running.wait(wait::PATIENCE);
    assert_eq!((finished.code(), finished.status.signal()), (None, Some(libc::SIGKILL)));
}

#[test]
fn a_program_that_outstays_its_deadline_fails_the_test_and_is_ended() {
    let running = Running::start(shell("exec sleep 1000"));
    let pid = running.id();
    let outstay = panic::AssertUnwindSafe(move || running.wait(Duration::from_millis(50)));
    let failure = panic::catch_unwind(outstay).expect_err("it never ends");
    let message = failure.downcast_ref::<String>().expect("a formatted message");
    assert!(message.starts_with("still running after 50ms"), "{message}");
    assert_gone(pid);
}

#[test]
fn a_program_whose_child_stays_behind_fails_the_test() {
    let mut running = Running::start(shell("sleep 1000 & echo $!"));
    let child: i32 = running.wait_for_stdout("the child's id", wait::PATIENCE, |text| text.trim().parse().ok());
    let linger = panic::AssertUnwindSafe(move || running.wait(Duration::from_millis(50)));
    let failure = panic::catch_unwind(linger).expect_err("the child holds the output open");
    let message = failure.downcast_ref::<String>().expect("a formatted message");
    assert!(message.starts_with("ended, but something that it started"), "{message}");
    // SAFETY: the child of this test's own shell, which nothing else has waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
}

#[test]
fn a_program_that_ends_without_the_awaited_words_fails_the_test_at_once() {
    let mut running = Running::start(shell("echo something else"));
    let failure = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        running.wait_for_stdout("the words", wait::PATIENCE, |text| text.contains("words").then_some(()));
    }));
    let failure = failure.expect_err("the words never come");
    let message = failure.downcast_ref::<String>().expect("a formatted message");
    assert!(
        message.contains("the words: ended with exit status: 0") && message.contains("something else"),
        "{message}"
    );
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let mut command = shell("exec cat");
    command.stdin(Stdio::piped());
    let mut child = thread::spawn(|| children::spawn(command).expect("sh is everywhere")).join().expect("no panic");
    // `cat` ends by itself when its input does, and the kernel would have ended it by a signal with that thread.
    drop(child.stdin.take());
    let status = wait::until("the end of the child", wait::PATIENCE, || match child.try_wait() {
        Ok(Some(status)) => Ok(status),
        other => Err(format!("{other:?}")),
    });
    assert!(status.success(), "{status}");
}

/// Runs only inside the next test, in a process of its own.
#[test]
#[ignore = "aborts its process; started by a_child_dies_with_an_aborting_test_process"]
fn abort_with_a_child() {
    if env::var_os(MAY_ABORT).is_none() {
        return;
    }
    let child = children::spawn(shell("exec sleep 1000")).expect("sh is everywhere");
    println!("\nchild {}", child.id());
    std::io::stdout().flush().expect("standard output is a pipe");
    process::abort();
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux ends the children of a process that aborts")]
fn a_child_dies_with_an_aborting_test_process() {
    let mut command = Command::new(env::current_exe().expect("a test binary knows its path"));
    command.args(["--ignored", "--exact", "--nocapture", "harness::process::abort_with_a_child"]);
    command.env(MAY_ABORT, "1");
    let finished = run(command, wait::PATIENCE);
    let pid = finished.stdout().lines().find_map(|line| line.strip_prefix("child ")?.parse().ok());
    assert_eq!(finished.status.signal(), Some(libc::SIGABRT), "{finished:?}");
    assert_gone(pid.expect("the dying process names its child"));
}

#[test]
fn a_scratch_folder_goes_with_its_handle() {
    let folder = scratch::dir("proof");
    let path = folder.path().to_owned();
    assert!(path.is_dir() && path.starts_with(scratch::root()));
    drop(folder);
    assert!(!path.exists());
}

#[test]
fn http_answers_are_given_whatever_their_status() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}/", listener.local_addr().expect("a bound socket has an address"));
    let server = thread::spawn(move || {
        for status in ["503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().expect("a client comes");
            let mut lines = BufReader::new(stream.try_clone().expect("a socket can be shared")).lines();
            while lines.next().is_some_and(|line| !line.expect("the client sends text").is_empty()) {}
            write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 3\r\n\r\n{}", &status[..3])
                .expect("the client listens");
        }
    });
    let reply = net::wait_for(&url, wait::PATIENCE, |reply| reply.status == 200);
    assert_eq!(reply.body, "200");
    server.join().expect("both requests came");
    assert!(net::get(&url).is_err(), "nobody listens any more");
}

#[track_caller]
fn assert_gone(pid: u32) {
    wait::until("the end of the process", wait::PATIENCE, || {
        if children::is_running(pid) { Err(format!("process {pid} runs")) } else { Ok(()) }
    });
}
