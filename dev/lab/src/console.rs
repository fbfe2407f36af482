// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a page and its workers said on their consoles.

use std::fmt;

use serde_json::Value;

/// One line of a page's console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleLine {
    /// How serious it is.
    pub level: Level,
    /// Whose console it is: `page`, or the kind and address of a worker.
    pub source: String,
    /// The words.
    pub text: String,
}

/// How serious a line of the console is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `console.debug` and the like.
    Debug,
    /// `console.log`, `console.info`.
    Info,
    /// `console.warn`.
    Warning,
    /// `console.error`, refused requests, violations of the content security policy.
    Error,
    /// An exception that nobody caught.
    Exception,
}

impl fmt::Display for ConsoleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} [{}] {}", self.level, self.source, self.text)
    }
}

impl ConsoleLine {
    /// The line that an event of the browser stands for, if it is one.
    pub(crate) fn from_event(source: &str, method: &str, params: &Value) -> Option<Self> {
        let (level, text) = match method {
            "Runtime.consoleAPICalled" => (
                level_of(params["type"].as_str().unwrap_or_default()),
                arguments(&params["args"]),
            ),
            "Runtime.exceptionThrown" => (Level::Exception, exception(&params["exceptionDetails"])),
            "Log.entryAdded" => {
                let entry = &params["entry"];
                let text = entry["text"].as_str().unwrap_or_default();
                let url = entry["url"].as_str().unwrap_or_default();
                let level = level_of(entry["level"].as_str().unwrap_or_default());
                (level, format!("{text} {url}").trim_end().to_owned())
            }
            _ => return None,
        };
        Some(Self {
            level,
            source: source.to_owned(),
            text,
        })
    }
}

/// The words of a `Runtime.ExceptionDetails`.
pub(crate) fn exception(details: &Value) -> String {
    let described = details["exception"]["description"].as_str();
    let thrown = || match &details["exception"]["value"] {
        Value::Null => details["text"].as_str().unwrap_or("(no words)").to_owned(),
        value => value.to_string(),
    };
    described.map_or_else(thrown, str::to_owned)
}

fn level_of(word: &str) -> Level {
    match word {
        "debug" | "verbose" | "trace" => Level::Debug,
        "warning" => Level::Warning,
        "error" | "assert" => Level::Error,
        _ => Level::Info,
    }
}

fn arguments(arguments: &Value) -> String {
    let words = arguments.as_array().into_iter().flatten().map(|argument| {
        match (&argument["value"], argument["description"].as_str()) {
            (Value::String(text), _) => text.clone(),
            (Value::Null, Some(description)) => description.to_owned(),
            (value, _) => value.to_string(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
