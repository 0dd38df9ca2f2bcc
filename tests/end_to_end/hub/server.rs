//! A Hub on the loopback address: it serves one folder as a model, with the answers and headers of the real one.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tinybert_base::FileHash;

/// The commit of the branch `main`.
pub const MAIN: &str = "0123456789abcdef0123456789abcdef01234567";
/// The commit of the tag `v1`.
pub const TAGGED: &str = "89abcdef0123456789abcdef0123456789abcdef";
/// The token that may read the private model.
pub const TOKEN: &str = "hf_good";

/// A Hub with the model `acme/tiny`, the same as `acme/private` for those with [`TOKEN`], and `acme/gated` for nobody.
/// It runs until the test run ends.
pub struct HubServer {
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    port: u16,
    /// `METHOD PATH`, with the range and the token where there are any.
    requests: Mutex<Vec<String>>,
    /// How many of the next answers with a large file break off in the middle.
    cuts: AtomicUsize,
}

/// What the server reads of a request.
struct Request {
    method: String,
    path: String,
    /// First byte that is asked for.
    start: usize,
    token: Option<String>,
}

impl HubServer {
    /// Serves the files of `folder`.
    pub fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback address has a free port");
        let port = listener.local_addr().expect("the port is known").port();
        let shared = Arc::new(Shared {
            folder: folder.into(),
            port,
            requests: Mutex::default(),
            cuts: AtomicUsize::new(0),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&server);
                // A client that goes away is no fault.
                thread::spawn(move || drop(shared.answer(stream)));
            }
        });
        Self { address: format!("http://127.0.0.1:{port}"), shared }
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.requests.lock().expect("no thread panics with the lock"))
    }

    /// Breaks off the next `count` answers with a large file.
    pub fn cut(&self, count: usize) {
        self.shared.cuts.store(count, Ordering::SeqCst);
    }
}

impl Shared {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let Some(request) = read(&stream)? else { return Ok(()) };
        let Request { method, path, start, token } = &request;
        let mut line = format!("{method} {path}");
        line += &if *start > 0 { format!(" from {start}") } else { String::new() };
        line += &token.as_ref().map_or_else(String::new, |token| format!(" by {token}"));
        self.requests.lock().expect("no thread panics with the lock").push(line);
        if let Some(name) = path.strip_prefix("/storage/") {
            let cut = self
                .cuts
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |cuts| cuts.checked_sub(1))
                .is_ok();
            let bytes = fs::read(self.folder.join(name))?;
            return send(&stream, &request, "", &bytes, cut);
        }
        let parts: Vec<&str> = path.trim_start_matches('/').splitn(5, '/').collect();
        let ["acme", model, "resolve", revision, file] = parts[..] else { return refuse(&stream, 404, "") };
        match (model, token.as_deref()) {
            ("tiny", _) | ("private", Some(TOKEN)) => {}
            ("gated", _) => return refuse(&stream, 403, "GatedRepo"),
            // The Hub does not tell strangers which models there are.
            (_, None) => return refuse(&stream, 401, "RepoNotFound"),
            (_, Some(_)) => return refuse(&stream, 404, "RepoNotFound"),
        }
        let commit = match revision {
            "main" | MAIN => MAIN,
            "v1" | TAGGED => TAGGED,
            _ => return refuse(&stream, 404, "RevisionNotFound"),
        };
        let source = self.folder.join(file);
        if !source.is_file() {
            return refuse(&stream, 404, "EntryNotFound");
        }
        let hash = FileHash::of_file(&source).expect("the file can be read");
        let commit = format!("X-Repo-Commit: {commit}\r\n");
        if !file.ends_with(".safetensors") {
            let headers = format!("{commit}ETag: \"{}\"\r\n", &hash.sha256[..40]);
            return send(&stream, &request, &headers, &fs::read(source)?, false);
        }
        // Large files are elsewhere: another host, which may not see the token.
        let storage = format!("Location: http://localhost:{}/storage/{file}\r\n", self.port);
        let linked = format!("X-Linked-Etag: \"{}\"\r\nX-Linked-Size: {}\r\n", hash.sha256, hash.bytes);
        let headers = format!("{commit}{storage}{linked}ETag: \"other\"\r\nContent-Length: 0\r\n");
        (&stream).write_all(format!("HTTP/1.1 302 Found\r\n{headers}Connection: close\r\n\r\n").as_bytes())
    }
}

/// Reads a request up to the empty line after its headers.
fn read(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let mut words = first.split(' ').map(String::from);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Request { method, path, start: 0, token: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.start = value.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0),
            "authorization" => request.token = value.strip_prefix("Bearer ").map(String::from),
            _ => {}
        }
    }
    Ok(Some(request))
}

/// Sends a file, or the part that is asked for; `cut` breaks off in the middle.
fn send(
    mut stream: &TcpStream,
    request: &Request,
    headers: &str,
    bytes: &[u8],
    cut: bool,
) -> std::io::Result<()> {
    let (start, all) = (request.start, bytes.len());
    let part = bytes.get(start..).unwrap_or_default();
    let status = match start {
        0 => "200 OK".to_owned(),
        _ => format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{all}", all.saturating_sub(1)),
    };
    let length = part.len();
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    if request.method == "HEAD" {
        return Ok(());
    }
    stream.write_all(if cut { &part[..length / 2] } else { part })
}

/// Answers without a file.
fn refuse(mut stream: &TcpStream, status: u16, code: &str) -> std::io::Result<()> {
    let code = if code.is_empty() { String::new() } else { format!("X-Error-Code: {code}\r\n") };
    write!(stream, "HTTP/1.1 {status} No\r\n{code}Content-Length: 0\r\nConnection: close\r\n\r\n")
}
