//! A small HTTP server that sends prescribed responses, valid or invalid, and records the requests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use switchy_schema::Manifest;
use tempfile::TempDir;

/// How the end of a body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// By closing the connection.
    Close,
    /// A declared length that may be wrong.
    Declared(u64),
}

/// The response of the server to a request.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) framing: Framing,
    /// Sends only this many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// After sending, waits until the client closes the connection.
    pub(crate) hangs: bool,
    /// The bytes that are sent instead of a response.
    pub(crate) raw: Option<Vec<u8>>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        Self { status, headers, body, framing: Framing::Length, cut: None, hangs: false, raw: None }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn to(location: impl Into<String>) -> Self {
        Self::new(302, "moved").header("location", location)
    }

    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { raw: Some(bytes.into()), ..Self::new(0, "") }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn framed(self, framing: Framing) -> Self {
        Self { framing, ..self }
    }

    /// Sends this many bytes of the body, and then closes the connection.
    pub(crate) fn cut(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }

    /// Like `cut`, but the connection stays open.
    pub(crate) fn hanging(self, bytes: usize) -> Self {
        Self { hangs: true, ..self.cut(bytes) }
    }

    /// Sends the response, and returns whether the connection stays open.
    fn send(&self, request: &Request, stream: &mut impl Write) -> std::io::Result<bool> {
        if let Some(raw) = &self.raw {
            stream.write_all(raw)?;
            stream.flush()?;
            return Ok(false);
        }
        let etag = self.headers.iter().find(|(name, _)| name == "etag").map(|(_, etag)| etag);
        let is_known = etag.is_some() && request.header("if-none-match") == etag.map(String::as_str);
        let (status, body) = if is_known { (304, &[][..]) } else { (self.status, &self.body[..]) };
        let mut head = format!("HTTP/1.1 {status} As told\r\n");
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let framing = if is_known { Framing::Length } else { self.framing };
        let end = match framing {
            Framing::Length => format!("content-length: {}", body.len()),
            Framing::Declared(length) => format!("content-length: {length}"),
            Framing::Chunked => "transfer-encoding: chunked".to_owned(),
            Framing::Close => "connection: close".to_owned(),
        };
        stream.write_all(format!("{head}{end}\r\n\r\n").as_bytes())?;
        let body = &body[..self.cut.unwrap_or(body.len()).min(body.len())];
        if framing == Framing::Chunked {
            for chunk in body.chunks(7) {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
                stream.write_all(chunk)?;
                stream.write_all(b"\r\n")?;
            }
            if self.cut.is_none() {
                stream.write_all(b"0\r\n\r\n")?;
            }
        } else {
            stream.write_all(body)?;
        }
        stream.flush()?;
        Ok(self.cut.is_none() && framing != Framing::Close)
    }
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The path with its query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    fn read(stream: &mut (impl Read + Write)) -> Option<Self> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            bytes.push(byte[0]);
            if bytes == [0x16] {
                // The client speaks TLS. Servers without TLS send this response.
                let _ = stream.read(&mut [0; 16384]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                return None;
            }
        }
        let text = String::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Some(Self { path, headers })
    }
}

#[derive(Default)]
struct Shared {
    /// The responses for each path, in order; the last one is repeated.
    replies: Mutex<BTreeMap<String, Vec<Reply>>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    stopped: AtomicBool,
}

impl Shared {
    fn serve(&self, mut stream: impl Read + Write) {
        while let Some(request) = Request::read(&mut stream) {
            let path = request.path.split('?').next().unwrap_or_default().to_owned();
            self.requests.lock().unwrap().push(request.clone());
            let reply = match self.replies.lock().unwrap().get_mut(&path) {
                Some(replies) if replies.len() > 1 => replies.remove(0),
                Some(replies) => replies[0].clone(),
                None => Reply::new(404, "there is none"),
            };
            let goes_on = reply.send(&request, &mut stream).unwrap_or(false);
            if reply.hangs {
                // Waits until the client closes the connection.
                let _ = stream.read(&mut [0]);
            }
            if !goes_on {
                return;
            }
        }
    }
}

/// The server, on a local port, until it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    scheme: &'static str,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::start("http", Shared::serve)
    }

    /// A server with a self-signed certificate for `localhost`, and the certificate in PEM.
    pub(crate) fn with_tls() -> (Self, String) {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let server = Self::start("https", move |shared, stream| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            shared.serve(rustls::StreamOwned::new(connection, stream));
        });
        (server, certificate.cert.pem())
    }

    fn start(scheme: &'static str, serve: impl Fn(&Shared, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shared, serve) = (Arc::new(Shared::default()), Arc::new(serve));
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if own.stopped.load(Ordering::SeqCst) {
                    return;
                }
                own.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, serve) = (Arc::clone(&own), Arc::clone(&serve));
                thread::spawn(move || serve(&shared, stream.unwrap()));
            }
        });
        Self { port, scheme, shared }
    }

    /// The URL of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}{path}", self.scheme, self.port)
    }

    /// Sets the responses for this path: they are sent in order, and the last one is repeated.
    pub(crate) fn on(&self, path: &str, replies: impl Into<Vec<Reply>>) -> &Self {
        self.shared.replies.lock().unwrap().insert(path.to_owned(), replies.into());
        self
    }

    /// Serves these files in `/set`, with their manifest, and returns the manifest.
    pub(crate) fn publish(&self, files: &[(&str, &str)]) -> Manifest {
        let folder = folder(files);
        let manifest = Manifest::of_folder(folder.path()).unwrap();
        for (path, content) in files {
            self.on(&format!("/set/{path}"), [Reply::ok(*content)]);
        }
        self.on("/set/manifest.json", [Reply::ok(manifest.to_string())]);
        manifest
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }

    /// The paths of the requests since the last call, separated by spaces.
    pub(crate) fn paths(&self) -> String {
        let paths: Vec<String> = self.requests().into_iter().map(|request| request.path).collect();
        paths.join(" ")
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}
