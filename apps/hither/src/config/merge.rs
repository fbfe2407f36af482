// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where settings come from: the documented defaults, a file, the environment, flags. The later wins.
//!
//! The defaults are the committed `docs/hither.toml` itself, so what is documented is what happens, and a
//! setting that does not stand there does not exist.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::{Table, Value};

use super::origin::Origin;
use super::raw::{CheckError, Raw};
use super::{Config, Purpose, nearest};

/// Every setting with its default and its explanation.
pub(crate) const DEFAULTS: &str = include_str!("../../../../docs/hither.toml");

/// Prefix of the environment variables that are settings; what follows has `__` in it.
const PREFIX: &str = "HITHER_";
/// Variables of the same prefix that others read: the build, the tests, the laboratory.
const OTHERS: [&str; 7] = [
    "HITHER_ARTIFACTS",
    "HITHER_BIN",
    "HITHER_SKIP_WEB",
    "HITHER_WEB_DIST",
    "HITHER_WEB_DIST_DIR",
    "HITHER_WEB_HASH",
    "HITHER_WEB_PROFILE",
];

/// Settings given on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) purpose: Purpose,
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
    #[error(
        "{origin} gives {setting} {found}, where {wanted} is needed{}",
        did_you_mean(nearest)
    )]
    WrongType {
        origin: String,
        setting: String,
        found: &'static str,
        wanted: &'static str,
        nearest: Option<String>,
    },
    #[error(
        "{origin} gives {setting} a value that cannot be used ({reason}){}",
        did_you_mean(nearest)
    )]
    Unusable {
        origin: String,
        setting: String,
        reason: String,
        nearest: Option<String>,
    },
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
        let name = path.display().to_string();
        let file = parse(&name, &text)?;
        overlay(&mut settings, file, &Origin::file(name, &text))?;
    }
    for (name, value) in environment {
        overlay_variable(&mut settings, &name, &value)?;
    }
    overlay_flags(&mut settings, flags);
    let raw = deserialize(&settings).map_err(|reason| LoadError::Unusable {
        origin: "the command line".to_owned(),
        setting: "a setting".to_owned(),
        reason,
        nearest: None,
    })?;
    Ok(raw.check(flags.purpose, settings)?)
}

/// Variables that look like settings and are none, each with what may have been meant. They do not stop a
/// node: whoever starts it may put variables there for reasons of their own.
pub(crate) fn unknown_variables(
    names: impl Iterator<Item = String>,
) -> Vec<(String, Option<String>)> {
    let settings = parse("the built-in default", DEFAULTS).unwrap_or_default();
    let unknown = names.filter(|name| {
        let rest = name.strip_prefix(PREFIX);
        rest.is_some_and(|rest| !rest.contains("__")) && !OTHERS.contains(&name.as_str())
    });
    unknown
        .map(|name| {
            let nearest = nearest::variable(&name, PREFIX, &settings);
            (name, nearest)
        })
        .collect()
}

fn parse(origin: &str, text: &str) -> Result<Table, LoadError> {
    text.parse()
        .map_err(|error: toml::de::Error| LoadError::NotToml {
            origin: origin.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })
}

/// The settings with their types; the error is one line.
fn deserialize(settings: &Table) -> Result<Raw, String> {
    settings.clone().try_into().map_err(|error| {
        let reason = toml::de::Error::to_string(&error);
        reason.lines().next().unwrap_or_default().to_owned()
    })
}

/// Lays `over` onto `settings`, which knows every section and setting there is.
fn overlay(settings: &mut Table, over: Table, origin: &Origin) -> Result<(), LoadError> {
    for (section, values) in over {
        if !settings.get(&section).is_some_and(Value::is_table) {
            return Err(LoadError::Unknown {
                origin: origin.of(&section),
                nearest: nearest::name(&section, settings.keys().map(String::as_str)),
                setting: section,
            });
        }
        let Value::Table(values) = values else {
            return Err(LoadError::WrongType {
                origin: origin.of(&section),
                setting: section,
                found: type_name(&values),
                wanted: "a section",
                nearest: None,
            });
        };
        for (key, value) in values {
            overlay_setting(settings, (&section, &key), value, origin)?;
        }
    }
    Ok(())
}

fn overlay_setting(
    settings: &mut Table,
    at: (&str, &str),
    value: Value,
    origin: &Origin,
) -> Result<(), LoadError> {
    let (section, key) = at;
    let setting = format!("{section}.{key}");
    let origin = origin.of(&setting);
    let Some(default) = replace(settings, at, value.clone()) else {
        return Err(LoadError::Unknown {
            origin,
            nearest: nearest::setting(section, key, settings),
            setting,
        });
    };
    let reason = match deserialize(settings) {
        Ok(_) if default.same_type(&value) => return Ok(()),
        Ok(_) => String::new(),
        Err(reason) => reason,
    };
    let nearest = nearest::values(&default, &value).into_iter().find(|near| {
        near.same_type(&default)
            && replace(settings, at, near.clone()).is_some()
            && deserialize(settings).is_ok()
    });
    let nearest = nearest.map(|near| near.to_string());
    Err(if default.same_type(&value) {
        LoadError::Unusable {
            origin,
            setting,
            reason,
            nearest,
        }
    } else {
        LoadError::WrongType {
            origin,
            setting,
            found: type_name(&value),
            wanted: type_name(&default),
            nearest,
        }
    })
}

/// Puts a value in the place of another one, which is given back; `None` if there is no such setting.
fn replace(settings: &mut Table, (section, key): (&str, &str), value: Value) -> Option<Value> {
    let known = settings.get_mut(section)?.as_table_mut()?.get_mut(key)?;
    Some(std::mem::replace(known, value))
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
    let origin = Origin::named(format!("the environment variable {name}"));
    overlay(settings, over, &origin)
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
        let list = Value::Array(list.map(|at| Value::String(at.to_string())).collect());
        match flags.purpose {
            Purpose::Node => set("http", "listen", list),
            Purpose::RelayAlone => {
                set("relay", "listen_udp", list.clone());
                set("relay", "listen_tcp", list);
            }
        }
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
