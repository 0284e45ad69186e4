//! Child processes that cannot outlive the test process, however it ends.
//!
//! Linux sends `PR_SET_PDEATHSIG` when the *thread* that forked ends, and a test's thread ends with the test. So one
//! thread that never ends starts every child. Elsewhere only handles that are dropped and `exit` tasks end children.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

static STARTER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("child starter".into())
        .spawn(move || queue.into_iter().for_each(|job| job()))
        .expect("the system has room for one more thread");
    jobs
});

/// Starts `command`; on Linux the kernel kills it when this process ends.
pub fn spawn(mut command: Command) -> io::Result<Child> {
    tie_to_this_process(&mut command);
    let (reply, answer) = mpsc::channel();
    let job = Box::new(move || {
        let _ = reply.send(command.spawn());
    });
    STARTER.send(job).expect("the starter thread never ends");
    answer.recv().expect("the starter thread never ends")
}

#[cfg(target_os = "linux")]
fn tie_to_this_process(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    let parent = libc::pid_t::try_from(std::process::id()).expect("a process id fits the type made for it");
    // SAFETY: between fork and exec the closure makes only system calls, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have ended before the call above, and then no signal comes.
            if libc::getppid() != parent {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn tie_to_this_process(_command: &mut Command) {}

/// Whether this process is still at work; one that has ended and that nobody has waited for is not.
#[cfg(target_os = "linux")]
pub fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the command's name, which stands in parentheses and may itself hold some.
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Whether a process of this id exists.
#[cfg(not(target_os = "linux"))]
pub fn is_running(pid: u32) -> bool {
    let pid = libc::pid_t::try_from(pid).expect("a process id fits the type made for it");
    // SAFETY: signal 0 only asks whether the process is there.
    unsafe { libc::kill(pid, 0) == 0 }
}
