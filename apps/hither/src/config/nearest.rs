// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody who mistyped a setting may have meant.

use toml::{Table, Value};

/// Names less alike than this are not worth asking about.
const ALIKE: f64 = 0.75;

/// Texts that are one of a few words.
const CHOICES: [&str; 6] = ["off", "own-ca", "files", "auto", "open", "closed"];

/// The name most like this one, if any is.
pub(super) fn name<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known.to_owned())
}

/// The nearest name in the same section; failing that, the same name in another one.
pub(super) fn setting(section: &str, key: &str, settings: &Table) -> Option<String> {
    let keys = |section: &str| match settings.get(section) {
        Some(Value::Table(known)) => known.keys().map(String::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    if let Some(name) = name(key, keys(section).into_iter()) {
        return Some(format!("{section}.{name}"));
    }
    let elsewhere = settings.keys().find(|other| keys(other).contains(&key));
    elsewhere.map(|other| format!("{other}.{key}"))
}

/// The variable that an unknown one may stand for. `separator` joins section and setting.
pub(super) fn variable(unknown: &str, prefix: &str, settings: &Table) -> Option<String> {
    let names: Vec<String> = settings
        .iter()
        .filter_map(|(section, values)| Some((section, values.as_table()?)))
        .flat_map(|(section, values)| {
            let keys = values.keys();
            keys.map(move |key| format!("{prefix}{section}__{key}").to_uppercase())
        })
        .collect();
    // The prefix is the same everywhere and would make everything alike.
    let bare = |name: &str| name.trim_start_matches(prefix).replace("__", "_");
    let plain = bare(unknown);
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&plain, &bare(name)), name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name.clone())
}

/// Values that could stand in place of `found`, the likeliest first; `default` is one that can.
pub(super) fn values(default: &Value, found: &Value) -> Vec<Value> {
    match (default, found) {
        (Value::Boolean(_), found) => boolean(found).into_iter().collect(),
        (Value::Integer(_), found) => integers(found),
        (Value::String(_), Value::String(text)) => {
            let choice = name(text, CHOICES.into_iter());
            choice.into_iter().map(Value::String).collect()
        }
        (Value::String(_), found) => vec![Value::String(found.to_string())],
        (Value::Array(default), Value::Array(found)) => {
            let items: Vec<Value> = found.iter().map(|item| address(default, item)).collect();
            vec![Value::Array(items)]
        }
        (Value::Array(default), found) => {
            let item = Value::String(text(found));
            let mended = address(default, &item);
            vec![Value::Array(vec![item]), Value::Array(vec![mended])]
        }
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn boolean(found: &Value) -> Option<Value> {
    match text(found).to_lowercase().as_str() {
        "yes" | "on" | "1" | "true" | "y" => Some(Value::Boolean(true)),
        "no" | "off" | "0" | "false" | "n" => Some(Value::Boolean(false)),
        _ => None,
    }
}

fn integers(found: &Value) -> Vec<Value> {
    let text = text(found).replace(['_', ' '], "");
    let digits = text.split('.').next().unwrap_or_default();
    let Ok(number) = digits.parse::<i64>() else {
        return Vec::new();
    };
    // The last two are the nearest that a port can be.
    let near = [number, number.max(0), number.clamp(0, 65_535)];
    near.map(Value::Integer).to_vec()
}

/// An address with a port, out of what people write instead.
fn address(default: &[Value], found: &Value) -> Value {
    let text = text(found);
    let text = text.trim();
    let usual = default
        .iter()
        .filter_map(Value::as_str)
        .find_map(|at| at.rsplit(':').next())
        .unwrap_or("3478");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
        _ => match text.parse::<u16>() {
            Ok(_) => ("localhost", text),
            Err(_) => (text, usual),
        },
    };
    let host = match host {
        "" | "*" => "0.0.0.0".to_owned(),
        "localhost" => "127.0.0.1".to_owned(),
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_owned(),
    };
    Value::String(format!("{host}:{port}"))
}
