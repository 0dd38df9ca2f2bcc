//! Requests to the Hub: where a file is, and its bytes.

use std::io;
use std::time::Duration;

use tinybert_base::{Context, Error, Result};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use crate::cache::is_commit;
use crate::id::{HubId, is_path_of_names};
use crate::settings::HubSettings;
use crate::waiting::{sleep, unless_stopped};

/// Time to reach the Hub, and for each silence in its answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests that are made for an answer, if the Hub has no time for one.
const ATTEMPTS: u32 = 4;
/// Redirects within the Hub, for instance from a model's old name to its new one.
const REDIRECTS: usize = 5;

/// Asks the Hub about one model.
pub(crate) struct Client {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
    model: String,
    revision: String,
}

/// What the Hub says about a file.
pub(crate) struct RemoteFile {
    /// Where its bytes are asked for.
    pub url: String,
    /// The commit that the answer is for.
    pub commit: String,
    /// The name of its contents: their SHA-256 for large files.
    pub etag: String,
    /// Bytes.
    pub size: u64,
}

/// The answer to the question for a file.
pub(crate) enum Found {
    /// The model has it.
    File(RemoteFile),
    /// The model does not have it.
    Missing {
        /// Whether the Hub itself says so. A mirror or a proxy may answer in the same way for another reason.
        is_certain: bool,
    },
}

impl Client {
    /// A client for the model of `id`.
    pub fn new(settings: &HubSettings, id: &HubId) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("tinybert-compress/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE));
        let HubSettings { endpoint, token, .. } = settings.clone();
        Self {
            agent: config.build().into(),
            endpoint,
            token,
            model: id.model.clone(),
            revision: id.revision.clone(),
        }
    }

    /// Where a file is, at `commit` or else at the id's revision.
    pub fn find(&self, commit: Option<&str>, file: &str, context: &Context) -> Result<Found> {
        // A slash in a revision is no step in the path.
        let revision = commit.unwrap_or(&self.revision).replace('/', "%2F");
        let mut url = format!("{}/{}/resolve/{revision}/{file}", self.endpoint, self.model);
        for _ in 0..REDIRECTS {
            let answer = self.head(&url, context)?;
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            let (status, fault) = (answer.status(), header("x-error-code"));
            match (status, header("location")) {
                // Within the Hub. The way to a large file leads to another host, and its headers are here.
                (_, Some(path)) if status.is_redirection() && path.starts_with('/') => {
                    url = format!("{}{path}", origin(&self.endpoint));
                    continue;
                }
                _ if status.is_success() || status.is_redirection() => {}
                _ if status == StatusCode::NOT_FOUND
                    && (fault == Some("EntryNotFound") || fault.is_none() && commit.is_some()) =>
                {
                    return Ok(Found::Missing { is_certain: fault.is_some() });
                }
                _ => return Err(self.refused(status, fault)),
            }
            let etag = header("x-linked-etag").or(header("etag")).unwrap_or_default();
            let etag = etag.trim_start_matches("W/").trim_matches('"');
            let size = header("x-linked-size").or(header("content-length"));
            let size = size.and_then(|size| size.parse().ok());
            let answered = header("x-repo-commit").unwrap_or_default();
            let is_asked = commit.is_none_or(|commit| commit == answered);
            return match size {
                Some(size) if is_commit(answered) && is_asked && is_name(etag) => {
                    Ok(Found::File(RemoteFile { url, commit: answered.into(), etag: etag.into(), size }))
                }
                _ => Err(self.fault(format!(
                    "{} answers for {file} without the commit, the ETag and the size that the Hugging Face Hub gives; \
                     is HF_ENDPOINT right?",
                    self.endpoint
                ))),
            };
        }
        Err(self.fault(format!("{} redirects without end", self.endpoint)))
    }

    /// Asks for the bytes of a file from `start` on. The answer may be of any status.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; in the inner result, why there is no answer.
    pub fn get(
        &self,
        file: &RemoteFile,
        start: u64,
        context: &Context,
    ) -> Result<io::Result<Response<Body>>> {
        let mut request = self.agent.get(&file.url);
        if let Some(token) = &self.token {
            // Other hosts, to which large files are redirected, do not get it.
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let answer = unless_stopped(context, || request.call())?;
        Ok(answer.map_err(io::Error::other))
    }

    /// Asks for the headers of `url`.
    fn head(&self, url: &str, context: &Context) -> Result<Response<Body>> {
        let mut attempt = 1;
        loop {
            let mut request = self.agent.head(url).config().max_redirects(0).build();
            if let Some(token) = &self.token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            let answer = unless_stopped(context, || request.call())?.map_err(|error| {
                let remedy = "or set HF_HUB_OFFLINE=1 to take what was fetched before";
                let endpoint = &self.endpoint;
                self.fault(format!("there is no such folder, and {endpoint} cannot be reached ({error}); try again later, {remedy}"))
            })?;
            let is_busy =
                answer.status() == StatusCode::TOO_MANY_REQUESTS || answer.status().is_server_error();
            if !is_busy || attempt == ATTEMPTS {
                return Ok(answer);
            }
            sleep(context, Duration::from_millis(500) * 2u32.pow(attempt - 1))?;
            attempt += 1;
        }
    }

    /// The error for an answer without a file. `code` is the Hub's own name of the reason.
    pub fn refused(&self, status: StatusCode, code: Option<&str>) -> Error {
        let Self { endpoint, model, revision, .. } = self;
        let token = match self.token {
            Some(_) => "the token of HF_TOKEN may not read it",
            None => "set HF_TOKEN to a token that may read it",
        };
        let status = status.as_u16();
        self.fault(match (status, code) {
            (_, Some("GatedRepo")) | (403, None) => {
                format!("the model is gated ({status}): accept its terms at {endpoint}/{model}, and {token}")
            }
            (_, Some("RevisionNotFound")) => {
                format!("the model has no branch, tag or commit {revision:?} ({status})")
            }
            (401 | 403 | 404, _) => format!(
                "there is no such folder, and {endpoint} shows no such model ({status}): did you mean a folder, or is the id \
                 misspelt? If the model is private, {token}"
            ),
            _ => format!("{endpoint} answers with status {status}; try again later"),
        })
    }

    /// An error about the model.
    pub fn fault(&self, what: String) -> Error {
        Error::io(&self.model)(io::Error::other(what))
    }
}

/// Scheme and host of an address.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    address[host..].find('/').map_or(address, |end| &address[..host + end])
}

/// True for a text that can be the name of a file.
fn is_name(text: &str) -> bool {
    is_path_of_names(text) && !text.contains('/')
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_scheme_and_host() {
        assert_eq!(origin("https://hub/mirror/of"), "https://hub");
        assert_eq!(origin("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
    }
}
