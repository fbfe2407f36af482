// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call over networks with nothing of ours in it: what a careful product makes of a browser alone, with trickled
//! candidates, perfect negotiation, and an ICE restart when the path is lost.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Browser, BrowserConfig, LabError, Page, PersonConfig, Switchboard};

/// The page of a [`Switchboard`] that two [`BarePhone`]s open.
///
/// It is as good as the browser lets it be: the socket is open before anybody calls; it is opened anew as soon as
/// something seems wrong; candidates leave one by one; both sides may restart, and never stand in each other's way
/// (the pattern of the WebRTC specification, §10.7).
pub const BARE_PAGE: &str = include_str!("bare_phone.html");

/// When a bare page restarts ICE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Restart {
    /// As soon as the connection is `disconnected`.
    OnDisconnected,
    /// When it has `failed`, as most do.
    OnFailed,
}

/// When something happened in a bare page, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct BareTimes {
    /// The caller decided.
    pub called: Option<f64>,
    /// It rang at the callee.
    pub rang: Option<f64>,
    /// The callee took the call.
    pub accepted: Option<f64>,
    /// The connection came up.
    pub connected: Option<f64>,
    /// The first picture of the other side was decoded.
    pub seen: Option<f64>,
}

/// One end of a call between bare pages.
#[derive(Debug)]
pub struct BarePhone {
    page: Page,
    _browser: Browser,
}

impl BarePhone {
    /// Opens the page at one of the two seats, in a browser of its own on the host that `config` names.
    ///
    /// # Errors
    ///
    /// When there is no browser or no page.
    pub fn open(
        name: &str,
        board: &Switchboard,
        seat: &str,
        ice_servers: &Value,
        config: &PersonConfig,
    ) -> Result<Self, LabError> {
        let mut extra_args = config.extra_args.clone();
        extra_args.extend([board.trust(), "--ignore-certificate-errors".to_owned()]);
        let browser = Browser::launch(&BrowserConfig {
            netns: config.netns.clone(),
            env: config.env.clone(),
            extra_args,
            ..BrowserConfig::new(name)
        })?;
        let page = browser.new_page("about:blank")?;
        for script in &config.scripts {
            page.call(
                "Page.addScriptToEvaluateOnNewDocument",
                &json!({ "source": script }),
            )?;
        }
        page.navigate(&board.url(seat))?;
        page.call_function(
            "(servers) => { bare.iceServers = servers }",
            std::slice::from_ref(ice_servers),
        )?;
        page.wait_for("bare.online()", "the signalling server")?;
        Ok(Self {
            page,
            _browser: browser,
        })
    }

    /// What is on the screen.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Calls whoever sits at the other seat.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn call(&self) -> Result<(), LabError> {
        self.page.eval("void bare.call()")?;
        Ok(())
    }

    /// From now on lets it ring for so long before a call is taken, and restarts when told.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn set(&self, ring_ms: u32, restart: Restart) -> Result<(), LabError> {
        let state = match restart {
            Restart::OnDisconnected => "disconnected",
            Restart::OnFailed => "failed",
        };
        let set = "(ring, state) => { bare.ring = ring; bare.restartOn = state }";
        self.page
            .call_function(set, &[json!(ring_ms), json!(state)])?;
        Ok(())
    }

    /// Waits until the other side's picture has come, and says when what happened.
    ///
    /// # Errors
    ///
    /// When it does not come.
    pub fn times(&self) -> Result<BareTimes, LabError> {
        self.page
            .wait_for("bare.times.seen && bare.times.connected", "a picture")?;
        self.page.eval_as("bare.times")
    }

    /// `local–remote` types of the candidates that carry the call.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn path(&self) -> Result<String, LabError> {
        self.page.eval_as("bare.path()")
    }

    /// What the connection went through since the call began: milliseconds and state, for people.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn course(&self) -> Result<Vec<(f64, String)>, LabError> {
        self.page.eval_as("bare.course")
    }

    /// Ends the call, and says so.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn hang_up(&self) -> Result<(), LabError> {
        self.page.eval("bare.hangUp()")?;
        Ok(())
    }
}
