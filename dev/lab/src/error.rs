// SPDX-License-Identifier: MIT OR Apache-2.0
//! What goes wrong in the laboratory.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a browser, a page or a node did not do as it was told.
///
/// Its `Debug` text is its `Display` text, because that is what a failed test prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A process could not be started.
    #[error("{program} could not be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file, a directory or a socket failed.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The browser has ended or closed the pipe.
    #[error("the browser is gone (while waiting for {0})")]
    BrowserGone(String),
    /// The browser did not answer a command in time.
    #[error("the browser did not answer {0} in time")]
    NoAnswer(String),
    /// The browser refused a command.
    #[error("the browser refused {method}: {message}")]
    Refused {
        /// The command.
        method: String,
        /// The browser's words.
        message: String,
    },
    /// The browser answered something else than the protocol says.
    #[error("the browser's answer to {method} has no {field}")]
    Malformed {
        /// The command.
        method: String,
        /// What was missing.
        field: &'static str,
    },
    /// A page could not be opened.
    #[error("{url} could not be opened: {reason}")]
    Navigate {
        /// The address.
        url: String,
        /// The browser's words.
        reason: String,
    },
    /// A script threw.
    #[error("a script threw: {message}\n  in: {script}")]
    Script {
        /// The exception.
        message: String,
        /// The script's beginning.
        script: String,
    },
    /// What was waited for did not come.
    #[error("{page}: waited in vain for {what}{evidence}")]
    InVain {
        /// The page's name.
        page: String,
        /// What was waited for.
        what: String,
        /// Where the page was, its console, and the path of a screenshot.
        evidence: Box<Evidence>,
    },
    /// There is no key of this name.
    #[error("there is no key called {0:?}")]
    UnknownKey(String),
    /// A node did not come up.
    #[error("the node did not come up: {reason}\n{log}")]
    NodeDown {
        /// What happened.
        reason: String,
        /// The end of what it printed.
        log: String,
    },
    /// This process may not make network namespaces, or the machine has no `ip`.
    #[error("network namespaces are not to be had here (they need root and iproute2): {0}")]
    NoNamespaces(String),
    /// A test found something else than it expected.
    #[error("{0}")]
    Unexpected(String),
}

impl fmt::Debug for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a page looked like when patience ended.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The page's address.
    pub url: String,
    /// The value that the last attempt gave, or its error.
    pub last: String,
    /// The last lines of the console.
    pub console: Vec<String>,
    /// Where a picture was saved.
    pub screenshot: Option<PathBuf>,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n  at: {}\n  last answer: {}", self.url, self.last)?;
        if let Some(path) = &self.screenshot {
            write!(f, "\n  picture: {}", path.display())?;
        }
        f.write_str("\n  console:")?;
        if self.console.is_empty() {
            f.write_str(" (empty)")?;
        }
        for line in &self.console {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

impl LabError {
    /// An [`LabError::Io`] that says what was attempted.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
