//! A way to a server that a test can disturb: connections are cut, stalled, slowed down or refused.
//!
//! Knows no protocol and changes no byte, so what comes through is what was sent, up to the cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Small, so that a cut falls into the middle of a request or an answer.
const CHUNK_BYTES: usize = 16 * 1024;

/// A listener on 127.0.0.1 whose connections lead to a server, until it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Both ends of every connection, by its number; none once it is over.
    connections: Vec<Option<(TcpStream, TcpStream)>>,
    cut: usize,
    delay: Duration,
    is_stalled: bool,
    is_refusing: bool,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a chunk of bytes back as long as is asked for.
    fn hold_back(&self) {
        let mut state = self.lock();
        let delay = state.delay;
        if !delay.is_zero() {
            let is_slow = |state: &mut State| state.delay == delay && !state.is_over;
            let waited = self.changed.wait_timeout_while(state, delay, is_slow);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_stalled = |state: &mut State| state.is_stalled && !state.is_over;
        drop(self.changed.wait_while(state, is_stalled).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Proxy {
    /// Listens, and leads to this port of 127.0.0.1, where nobody needs to listen yet.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let own = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::Builder::new()
            .name("proxy".into())
            .spawn(move || accept(&listener, port, &accepting))
            .expect("the system has room for one more thread");
        Self { port: own, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, whatever is under way in it; says how many.
    pub fn cut(&self) -> usize {
        let mut state = self.shared.lock();
        let cut = end_all(&mut state);
        state.cut += cut;
        cut
    }

    /// How many connections were cut so far.
    pub fn cut_count(&self) -> usize {
        self.shared.lock().cut
    }

    /// Refuses new connections, and cuts those that are there; or takes them again.
    pub fn refuse(&self, is_refusing: bool) {
        self.shared.lock().is_refusing = is_refusing;
        if is_refusing {
            self.cut();
        }
    }

    /// Holds everything back that is sent either way, and closes nothing; or lets it go on.
    pub fn stall(&self, is_stalled: bool) {
        self.shared.lock().is_stalled = is_stalled;
        self.shared.changed.notify_all();
    }

    /// Holds each chunk back this long.
    pub fn delay(&self, delay: Duration) {
        self.shared.lock().delay = delay;
        self.shared.changed.notify_all();
    }

    /// As if nothing had been.
    pub fn heal(&self) {
        self.refuse(false);
        self.delay(Duration::ZERO);
        self.stall(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        end_all(&mut state);
        drop(state);
        self.shared.changed.notify_all();
        // The one that accepts looks up when somebody comes.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn end_all(state: &mut State) -> usize {
    let ended: Vec<_> = state.connections.iter_mut().filter_map(Option::take).collect();
    for side in ended.iter().flat_map(|(near, far)| [near, far]) {
        // Fails only where the other side was faster.
        let _ = side.shutdown(Shutdown::Both);
    }
    ended.len()
}

fn accept(listener: &TcpListener, port: u16, shared: &Arc<Shared>) {
    for near in listener.incoming() {
        let Ok(near) = near else { continue };
        let mut state = shared.lock();
        if state.is_over {
            return;
        }
        if state.is_refusing {
            continue;
        }
        // Nobody there: the connection ends at once, as that of a crashed server does.
        let Ok(far) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) else { continue };
        let copy = |stream: &TcpStream| stream.try_clone().expect("a socket can be shared");
        let number = state.connections.len();
        state.connections.push(Some((copy(&near), copy(&far))));
        drop(state);
        for (from, to) in [(copy(&near), copy(&far)), (far, near)] {
            let _ = from.set_nodelay(true);
            let shared = Arc::clone(shared);
            thread::Builder::new()
                .name("proxied".into())
                .spawn(move || {
                    pump(from, to, &shared);
                    shared.lock().connections[number] = None;
                })
                .expect("the system has room for one more thread");
        }
    }
}

/// Copies until either side ends, and then ends both.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut chunk = [0; CHUNK_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut chunk) {
        shared.hold_back();
        if to.write_all(&chunk[..bytes]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
