// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where settings come from: the documented defaults, a file, the environment, flags. The later wins.
//!
//! The defaults are the committed `docs/hither.toml` itself, so what is documented is what happens, and a
//! setting that does not stand there does not exist.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::{Table, Value};

use super::Config;
use super::raw::{CheckError, Raw};

/// Every setting with its default and its explanation.
pub(crate) const DEFAULTS: &str = include_str!("../../../../docs/hither.toml");

/// Prefix of the environment variables that are settings; what follows has `__` in it.
const PREFIX: &str = "HITHER_";

/// Settings given on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: Vec<SocketAddr>,
}

/// There is no usable configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{origin} is not TOML: {reason}")]
    NotToml { origin: String, reason: String },
    #[error("{origin} has the unknown setting {setting}{}", did_you_mean(nearest))]
    Unknown {
        origin: String,
        setting: String,
        nearest: Option<String>,
    },
    #[error("{origin} gives {setting} {found}, where {wanted} is needed")]
    WrongType {
        origin: String,
        setting: String,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("a setting cannot be used: {reason}")]
    Unusable { reason: String },
    #[error(transparent)]
    Check(#[from] CheckError),
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// Merges and checks. `environment` is the process's, handed in so that tests need not change it.
pub(crate) fn load(
    flags: &Flags,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, LoadError> {
    let mut settings = parse("the built-in default", DEFAULTS)?;
    if let Some(path) = &flags.config {
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read {
            path: path.clone(),
            source,
        })?;
        let origin = path.display().to_string();
        let file = parse(&origin, &text)?;
        overlay(&mut settings, file, &origin)?;
    }
    for (name, value) in environment {
        overlay_variable(&mut settings, &name, &value)?;
    }
    overlay_flags(&mut settings, flags);
    let raw: Raw = settings.try_into().map_err(|error: toml::de::Error| {
        let reason = error.to_string().trim().replace('\n', " ");
        LoadError::Unusable { reason }
    })?;
    Ok(raw.check()?)
}

fn parse(origin: &str, text: &str) -> Result<Table, LoadError> {
    text.parse()
        .map_err(|error: toml::de::Error| LoadError::NotToml {
            origin: origin.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })
}

/// Lays `over` onto `settings`, which knows every section and setting there is.
fn overlay(settings: &mut Table, over: Table, origin: &str) -> Result<(), LoadError> {
    for (section, values) in over {
        let Some(Value::Table(known)) = settings.get_mut(&section) else {
            return Err(unknown(origin, &section, None, settings));
        };
        let Value::Table(values) = values else {
            return Err(wrong_type(origin, &section, &values, "a section"));
        };
        for (key, value) in values {
            let setting = format!("{section}.{key}");
            let Some(default) = known.get_mut(&key) else {
                return Err(unknown(origin, &setting, Some((&section, &key)), settings));
            };
            if !default.same_type(&value) {
                return Err(wrong_type(origin, &setting, &value, type_name(default)));
            }
            *default = value;
        }
    }
    Ok(())
}

/// `HITHER_HTTP__LISTEN=…`; the default's type says how the text is read.
fn overlay_variable(settings: &mut Table, name: &str, text: &str) -> Result<(), LoadError> {
    let Some((section, key)) = name
        .strip_prefix(PREFIX)
        .and_then(|name| name.split_once("__"))
    else {
        return Ok(());
    };
    let (section, key) = (section.to_lowercase(), key.to_lowercase());
    let default = match settings.get(&section) {
        Some(Value::Table(known)) => known.get(&key),
        Some(_) | None => None,
    };
    let value = match default {
        Some(Value::Boolean(_)) => text.parse().ok().map(Value::Boolean),
        Some(Value::Integer(_)) => text.parse().ok().map(Value::Integer),
        Some(Value::Array(_)) => Some(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        Some(_) | None => Some(Value::String(text.to_owned())),
    };
    let value = value.unwrap_or_else(|| Value::String(text.to_owned()));
    let over = Table::from_iter([(section, Value::Table(Table::from_iter([(key, value)])))]);
    overlay(settings, over, &format!("the environment variable {name}"))
}

fn overlay_flags(settings: &mut Table, flags: &Flags) {
    let mut set = |section: &str, key: &str, value: Value| {
        if let Some(Value::Table(known)) = settings.get_mut(section) {
            known.insert(key.to_owned(), value);
        }
    };
    if let Some(directory) = &flags.data_dir {
        let text = directory.to_string_lossy().into_owned();
        set("node", "data_dir", Value::String(text));
    }
    if !flags.listen.is_empty() {
        let list = flags.listen.iter();
        let list = list.map(|at| Value::String(at.to_string())).collect();
        set("http", "listen", Value::Array(list));
    }
}

fn unknown(
    origin: &str,
    setting: &str,
    within: Option<(&str, &str)>,
    settings: &Table,
) -> LoadError {
    let nearest = match within {
        None => nearest(setting, settings.keys().map(String::as_str)),
        Some((section, key)) => nearest_setting(section, key, settings),
    };
    LoadError::Unknown {
        origin: origin.to_owned(),
        setting: setting.to_owned(),
        nearest,
    }
}

/// The nearest name in the same section; failing that, the same name in another one.
fn nearest_setting(section: &str, key: &str, settings: &Table) -> Option<String> {
    let keys = |section: &str| match settings.get(section) {
        Some(Value::Table(known)) => known.keys().map(String::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    if let Some(name) = nearest(key, keys(section).into_iter()) {
        return Some(format!("{section}.{name}"));
    }
    let elsewhere = settings.keys().find(|other| keys(other).contains(&key));
    elsewhere.map(|other| format!("{other}.{key}"))
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known.to_owned())
}

fn wrong_type(origin: &str, setting: &str, found: &Value, wanted: &'static str) -> LoadError {
    LoadError::WrongType {
        origin: origin.to_owned(),
        setting: setting.to_owned(),
        found: type_name(found),
        wanted,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a point",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

#[cfg(test)]
mod tests;
