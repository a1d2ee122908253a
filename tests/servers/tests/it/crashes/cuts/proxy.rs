//! A proxy between one client and a server, which cuts the connection at a request.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The request does not reach the server.
    Before,
    /// The server gets half of the bytes of the request.
    Torn,
    /// The server answers, and the client does not hear it.
    After,
}

impl Cut {
    pub(super) const ALL: [Self; 3] = [Self::Before, Self::Torn, Self::After];
}

/// What the two directions know of each other.
#[derive(Default)]
struct State {
    is_armed: bool,
    cut: Option<(usize, Cut)>,
    requests: usize,
    /// The next answer is not passed on.
    is_muted: bool,
}

/// A proxy on a port of this machine. It accepts one client.
pub(super) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Starts a proxy before the socket of a server.
    pub(super) fn before(server: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let kept = Arc::clone(&state);
        thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            client.set_nodelay(true).unwrap();
            let server = UnixStream::connect(server).unwrap();
            let back = {
                let (client, server, state) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&state));
                thread::spawn(move || answers(&server, &client, &state))
            };
            requests(&client, &server, &state);
            let _ = back.join();
        });
        Self { port, state: kept }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Counts the requests from now on, and cuts at one of them, counted from 1.
    pub(super) fn arm(&self, cut: Option<(usize, Cut)>) {
        let mut state = self.state.lock().unwrap();
        (state.is_armed, state.cut) = (true, cut);
    }

    /// The number of requests since the proxy was armed.
    pub(super) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }
}

/// Passes on what the client writes. The drivers write a request at once and then wait for the answer, so what one read returns is a request.
fn requests(mut client: &TcpStream, mut server: &UnixStream, state: &Mutex<State>) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let mut request = &buffer[..length];
        let cut = {
            let mut state = state.lock().unwrap();
            state.requests += usize::from(state.is_armed);
            let number = state.requests;
            let cut = state.cut.filter(|(at, _)| *at == number).map(|(_, cut)| cut);
            state.is_muted |= cut == Some(Cut::After);
            cut
        };
        match cut {
            Some(Cut::Before) => break,
            Some(Cut::Torn) => request = &request[..length / 2],
            _ => {}
        }
        if server.write_all(request).is_err() || cut == Some(Cut::Torn) {
            break;
        }
    }
    end(client, server);
}

/// Passes on what the server answers.
fn answers(mut server: &UnixStream, mut client: &TcpStream, state: &Mutex<State>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        if state.lock().unwrap().is_muted || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    end(client, server);
}

fn end(client: &TcpStream, server: &UnixStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
