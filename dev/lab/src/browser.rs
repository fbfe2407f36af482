// SPDX-License-Identifier: MIT OR Apache-2.0
//! A Chromium process with a profile of its own.

use std::env;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt;

use command_fds::{CommandFdExt, FdMapping};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifacts::artifacts_dir;
use crate::connection::Connection;
use crate::process::{ends_within, kill_group};
use crate::{LabError, Page};

/// How long a browser may take to close its files.
const CLOSING: Duration = Duration::from_secs(10);

/// How long a download may take.
const DOWNLOADING: Duration = Duration::from_secs(120);

/// How to start a browser.
#[derive(Debug, Clone)]
pub struct BrowserConfig {
    /// Who sits in front of it. Pages, pictures and errors carry this name.
    pub name: String,
    /// Where the profile is kept; without one, a directory that goes with the [`Browser`].
    pub profile: Option<PathBuf>,
    /// The network namespace to start in, as `ip netns` knows it.
    pub netns: Option<String>,
    /// Environment variables, beside those of this process.
    pub env: Vec<(String, String)>,
    /// Width and height of the window in pixels.
    pub window: (u32, u32),
    /// Names for `--disable-features`, beside those that are always off.
    pub disable_features: Vec<String>,
    /// More arguments, each with its dashes.
    pub extra_args: Vec<String>,
}

impl BrowserConfig {
    /// A fresh profile in this process's network, 1440 × 900.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            profile: None,
            netns: None,
            env: Vec::new(),
            window: (1440, 900),
            disable_features: Vec::new(),
            extra_args: Vec::new(),
        }
    }
}

/// A running Chromium. Dropping it ends the process.
pub struct Browser {
    name: String,
    child: Child,
    connection: Arc<Connection>,
    profile: PathBuf,
    downloads: PathBuf,
    // Removed with the browser, after the process has ended.
    _temporary: Option<TempDir>,
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser")
            .field("name", &self.name)
            .field("pid", &self.child.id())
            .finish_non_exhaustive()
    }
}

impl Browser {
    /// Starts Chromium: `CHROMIUM` names the program, else Debian's is taken.
    ///
    /// # Errors
    ///
    /// When there is no Chromium, or it ends at once.
    pub fn launch(config: &BrowserConfig) -> Result<Self, LabError> {
        let (profile, temporary) = profile_dir(config)?;
        let downloads = profile.join("downloads");
        fs::create_dir_all(&downloads).map_err(LabError::io("create the download directory"))?;

        let (commands_in, commands_out) =
            std::io::pipe().map_err(LabError::io("make a pipe to the browser"))?;
        let (events_in, events_out) =
            std::io::pipe().map_err(LabError::io("make a pipe from the browser"))?;
        let program = chromium();
        let mut command = match &config.netns {
            None => Command::new(&program),
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(&program);
                command
            }
        };
        command
            .envs(config.env.iter().map(|(name, value)| (name, value)))
            .args(arguments(config, &profile))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file(&config.name)?)
            .process_group(0);
        let mappings = [(commands_in.into(), 3), (events_out.into(), 4)]
            .map(|(parent_fd, child_fd)| FdMapping {
                parent_fd,
                child_fd,
            })
            .into();
        command
            .fd_mappings(mappings)
            .map_err(|_| LabError::Unexpected("two pipes on one descriptor".to_owned()))?;
        let child = command.spawn().map_err(|source| LabError::Start {
            program: program.display().to_string(),
            source,
        })?;
        // The child's ends live in the command: with it, our copies close.
        drop(command);

        let browser = Self {
            name: config.name.clone(),
            child,
            connection: Connection::new(events_in, commands_out),
            profile,
            downloads,
            _temporary: temporary,
        };
        browser.call("Browser.getVersion", &json!({}))?;
        browser.call(
            "Browser.setDownloadBehavior",
            &json!({ "behavior": "allow", "downloadPath": browser.downloads }),
        )?;
        Ok(browser)
    }

    /// Opens a tab and waits until it has loaded.
    ///
    /// # Errors
    ///
    /// When the address cannot be loaded.
    pub fn new_page(&self, url: &str) -> Result<Page, LabError> {
        let page = Page::open(&self.name, Arc::clone(&self.connection))?;
        page.navigate(url)?;
        Ok(page)
    }

    /// Lets pages of `origin` do what a person would be asked about: `geolocation`,
    /// `notifications`, `clipboardReadWrite`, `audioCapture`, `videoCapture`, …
    ///
    /// # Errors
    ///
    /// When the browser knows no such permission.
    pub fn grant(&self, origin: &str, permissions: &[&str]) -> Result<(), LabError> {
        self.call(
            "Browser.grantPermissions",
            &json!({ "origin": origin, "permissions": permissions }),
        )?;
        Ok(())
    }

    /// Where downloads arrive.
    #[must_use]
    pub fn download_dir(&self) -> &Path {
        &self.downloads
    }

    /// Waits until a file of this name is complete in the download directory.
    ///
    /// # Errors
    ///
    /// When it does not come.
    pub fn wait_for_download(&self, name: &str) -> Result<PathBuf, LabError> {
        let path = self.downloads.join(name);
        let deadline = Instant::now() + DOWNLOADING;
        while Instant::now() < deadline {
            // Chromium writes under another name and renames at the end.
            if path.is_file() {
                return Ok(path);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(LabError::Unexpected(format!(
            "{}: no download called {name}",
            self.name
        )))
    }

    /// The directory of the profile, to be given to the next browser.
    #[must_use]
    pub fn profile(&self) -> &Path {
        &self.profile
    }

    /// The process, for measuring.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the browser as a power cut would: nothing is flushed.
    pub fn kill(&mut self) {
        kill_group(&mut self.child);
    }

    /// Closes the browser in order, so that its profile is complete.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub fn close(mut self) -> Result<(), LabError> {
        self.connection.post(None, "Browser.close", &json!({}));
        if ends_within(&mut self.child, CLOSING) {
            Ok(())
        } else {
            Err(LabError::Unexpected(format!(
                "{}: the browser does not close",
                self.name
            )))
        }
    }

    fn call(&self, method: &str, params: &Value) -> Result<Value, LabError> {
        self.connection.call(None, method, params)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}

fn chromium() -> PathBuf {
    // Debian's /usr/bin/chromium is a shell script around this.
    const DEBIAN: &str = "/usr/lib/chromium/chromium";
    match env::var_os("CHROMIUM") {
        Some(program) => PathBuf::from(program),
        None if Path::new(DEBIAN).exists() => PathBuf::from(DEBIAN),
        None => PathBuf::from("chromium"),
    }
}

fn profile_dir(config: &BrowserConfig) -> Result<(PathBuf, Option<TempDir>), LabError> {
    if let Some(profile) = &config.profile {
        fs::create_dir_all(profile).map_err(LabError::io("create the profile"))?;
        return Ok((profile.clone(), None));
    }
    let temporary = tempfile::Builder::new()
        .prefix("hither-lab-browser-")
        .tempdir()
        .map_err(LabError::io("create a profile"))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// The browser's own complaints are kept, one file for each name.
fn log_file(name: &str) -> Result<File, LabError> {
    let dir = artifacts_dir().join("logs");
    fs::create_dir_all(&dir).map_err(LabError::io(format!("create {}", dir.display())))?;
    let path = dir.join(format!("chromium-{name}.log"));
    File::create(&path).map_err(LabError::io(format!("create {}", path.display())))
}

fn arguments(config: &BrowserConfig, profile: &Path) -> Vec<String> {
    const ALWAYS: [&str; 27] = [
        "--remote-debugging-pipe",
        "--headless=new",
        // A quiet machine: no first-run pages, no services in the background, no other server.
        "--no-first-run",
        "--no-default-browser-check",
        "--no-pings",
        "--disable-background-networking",
        "--disable-breakpad",
        "--disable-client-side-phishing-detection",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-domain-reliability",
        "--disable-extensions",
        "--disable-quic",
        "--disable-search-engine-choice-screen",
        "--disable-sync",
        "--metrics-recording-only",
        "--password-store=basic",
        // A small machine: no graphics card, little shared memory.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--mute-audio",
        // A tab that nobody looks at is as awake as any other.
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
        // A camera and a microphone that always say yes.
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream=fps=30",
        "--autoplay-policy=no-user-gesture-required",
        "--lang=en-US",
    ];
    const FEATURES: [&str; 4] = [
        "Translate",
        "MediaRouter",
        "OptimizationHints",
        "AutofillServerCommunication",
    ];
    let mut arguments: Vec<String> = ALWAYS.map(str::to_owned).into();
    let features: Vec<&str> = FEATURES
        .into_iter()
        .chain(config.disable_features.iter().map(String::as_str))
        .collect();
    let (width, height) = config.window;
    arguments.push(format!("--disable-features={}", features.join(",")));
    arguments.push(format!("--window-size={width},{height}"));
    arguments.push(format!("--user-data-dir={}", profile.display()));
    if is_root() {
        // Chromium's sandbox refuses to be set up by root.
        arguments.push("--no-sandbox".to_owned());
    }
    arguments.extend(config.extra_args.iter().cloned());
    arguments
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
