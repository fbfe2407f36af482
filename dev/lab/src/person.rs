// SPDX-License-Identifier: MIT OR Apache-2.0
//! Somebody who uses Hither in a browser: what they do, and what they see.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::{Browser, BrowserConfig, LabError, Page};

/// What everybody here chose. Long enough for the client, and easy to look for where it must not be.
pub const PASSPHRASE: &str = "marker-passphrase of the laboratory";

/// Keeps every peer connection of the page, and its access to the node, within reach of the test.
const WITNESS: &str = "(() => {
    const connections = [];
    const Original = window.RTCPeerConnection;
    if (!Original || window.lab) return;
    window.RTCPeerConnection = class extends Original {
        constructor(...words) { super(...words); connections.push(this); }
    };
    // What signs the requests of this page in, for tests that act as another device of the account.
    const fetched = window.fetch;
    window.fetch = (what, how) => {
        const headers = new Headers(how?.headers ?? what?.headers);
        const signed = headers.get('authorization');
        if (signed?.startsWith('Bearer ')) window.lab.bearer = signed;
        return fetched(what, how);
    };
    const open = () => connections.filter((one) => one.signalingState !== 'closed');
    const SLOTS = ['sound', 'camera', 'screen'];
    const stats = async (of, type) => [...(await of.getStats()).values()].filter((one) => one.type === type);
    window.lab = {
        open,
        async media() {
            const sum = { frames: 0, screen_frames: 0, energy: 0, sound_packets: 0, encoded: 0, sent: 0 };
            for (const connection of open()) {
                for (const [index, { receiver, sender }] of connection.getTransceivers().entries()) {
                    const slot = SLOTS[index];
                    for (const one of await stats(receiver, 'inbound-rtp')) {
                        if (slot === 'camera') sum.frames += one.framesDecoded ?? 0;
                        if (slot === 'screen') sum.screen_frames += one.framesDecoded ?? 0;
                        if (slot === 'sound') {
                            sum.energy += one.totalAudioEnergy ?? 0;
                            sum.sound_packets += one.packetsReceived ?? 0;
                        }
                    }
                    for (const one of await stats(sender, 'outbound-rtp')) {
                        if (slot === 'camera') sum.encoded += one.framesEncoded ?? 0;
                        sum.sent += one.packetsSent ?? 0;
                    }
                }
            }
            return sum;
        },
        async path() {
            for (const connection of open()) {
                const report = await connection.getStats();
                for (const one of report.values()) {
                    const pair = one.type === 'transport' && report.get(one.selectedCandidatePairId);
                    if (!pair) continue;
                    return {
                        local: report.get(pair.localCandidateId)?.candidateType ?? '',
                        remote: report.get(pair.remoteCandidateId)?.candidateType ?? '',
                        bytes: pair.bytesSent + pair.bytesReceived,
                    };
                }
            }
            return null;
        },
        // Two moments of a picture: how many colours it has, and how many pixels have changed.
        async picture(video) {
            const canvas = new OffscreenCanvas(80, 60);
            const context = canvas.getContext('2d', { willReadFrequently: true });
            const look = () => new Promise((seen) => {
                setTimeout(() => seen(null), 2000);
                video.requestVideoFrameCallback(() => {
                    context.drawImage(video, 0, 0, 80, 60);
                    seen(new Uint32Array(context.getImageData(0, 0, 80, 60).data.buffer));
                });
            });
            const first = await look();
            let colours = 0, changed = 0;
            for (let more = 0; first && more < 20 && !changed; more += 1) {
                const next = await look();
                if (!next) break;
                colours = new Set(next).size;
                changed = next.filter((pixel, index) => pixel !== first[index]).length;
            }
            return { colours, changed };
        },
    };
})();";

/// How to bring somebody to life.
#[derive(Debug, Clone, Default)]
pub struct PersonConfig {
    /// Scripts that run in the page before its own.
    pub scripts: Vec<String>,
    /// A profile to begin with; it is copied.
    pub profile: Option<PathBuf>,
    /// More arguments for the browser.
    pub extra_args: Vec<String>,
    /// The network namespace of the browser, as `ip netns` knows it.
    pub netns: Option<String>,
    /// More environment variables for the browser.
    pub env: Vec<(String, String)>,
    /// Whether scripts of the test may do what the page's own may not (its content security policy).
    pub any_script: bool,
}

/// A person with a browser and a profile of their own.
pub struct Person {
    name: String,
    config: PersonConfig,
    browser: Browser,
    page: Page,
    home: TempDir,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An invitation, as the inviter passes it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// On one channel.
    pub link: String,
    /// On another.
    pub words: String,
}

/// A message on the screen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Shown {
    /// Written by who sees it.
    pub mine: bool,
    /// What it says.
    pub text: String,
    /// `queued`, `sent`, `delivered` or `read`.
    pub delivery: String,
}

/// What has arrived so far over the open peer connections, and what was made to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Media {
    /// Frames of the other side's camera that were decoded.
    pub frames: u64,
    /// Frames of the other side's screen that were decoded.
    pub screen_frames: u64,
    /// `totalAudioEnergy` of what was heard.
    pub energy: f64,
    /// Packets of sound that came.
    pub sound_packets: u64,
    /// Frames of the own camera that were encoded.
    pub encoded: u64,
    /// Packets of sound and picture that left.
    pub sent: u64,
    /// What a look at it found, see [`Person::wait_for_rest`].
    #[serde(default)]
    pub still: bool,
}

/// The candidate pair that carries a link, in the words of RFC 8445.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Carried {
    /// `host`, `srflx`, `prflx` or `relay`.
    pub local: String,
    /// The same of the other side.
    pub remote: String,
    /// Bytes in both directions.
    pub bytes: u64,
}

impl Person {
    /// Opens `url` in a new browser.
    ///
    /// # Errors
    ///
    /// When there is no browser or no page.
    pub fn arrive(name: &str, url: &str, config: PersonConfig) -> Result<Self, LabError> {
        let home = tempfile::Builder::new()
            .prefix("hither-lab-person-")
            .tempdir()
            .map_err(LabError::io("create a home"))?;
        let profile = home.path().join("profile");
        if let Some(template) = &config.profile {
            copy_tree(template, &profile)?;
        }
        let (browser, page) = open(name, &profile, url, &config)?;
        Ok(Self {
            name: name.to_owned(),
            config,
            browser,
            page,
            home,
        })
    }

    /// Their name, as contacts see it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is in front of them.
    #[must_use]
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Their browser.
    #[must_use]
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Closes the browser in order and hands over where the profile is; it goes with the [`TempDir`].
    ///
    /// # Errors
    ///
    /// When the browser does not close.
    pub fn pack_up(self) -> Result<(TempDir, PathBuf), LabError> {
        let profile = self.profile();
        self.browser.close()?;
        Ok((self.home, profile))
    }

    /// Closes the browser and, after `meanwhile`, opens a new one on the same profile.
    ///
    /// # Errors
    ///
    /// Those of `meanwhile`, and when a browser does not close or open.
    pub fn away_while<T>(
        self,
        url: &str,
        meanwhile: impl FnOnce() -> Result<T, LabError>,
    ) -> Result<(Self, T), LabError> {
        let profile = self.profile();
        let Self {
            name,
            config,
            browser,
            home,
            page: _,
        } = self;
        browser.close()?;
        let outcome = meanwhile()?;
        let (browser, page) = open(&name, &profile, url, &config)?;
        let back = Self {
            name,
            config,
            browser,
            page,
            home,
        };
        Ok((back, outcome))
    }

    fn profile(&self) -> PathBuf {
        self.home.path().join("profile")
    }

    // ---- the vault

    /// Fills in the first form and waits until they are in.
    ///
    /// # Errors
    ///
    /// When they are not let in.
    pub fn onboard(&self) -> Result<(), LabError> {
        self.page.fill("@onboard-name", &self.name)?;
        self.page.fill("@onboard-passphrase", PASSPHRASE)?;
        self.page.fill("@onboard-passphrase-again", PASSPHRASE)?;
        self.page.click("@onboard-submit")?;
        self.page.wait_for_element("@home")
    }

    /// Types the passphrase and waits until the client is open.
    ///
    /// # Errors
    ///
    /// When it does not open.
    pub fn unlock(&self) -> Result<(), LabError> {
        self.try_passphrase(PASSPHRASE)?;
        self.page.wait_for_element("@home")
    }

    /// Types a passphrase.
    ///
    /// # Errors
    ///
    /// When there is no lock.
    pub fn try_passphrase(&self, passphrase: &str) -> Result<(), LabError> {
        self.page.fill("@unlock-passphrase", passphrase)?;
        self.page.click("@unlock-submit")
    }

    /// Locks.
    ///
    /// # Errors
    ///
    /// When there is no such button.
    pub fn lock(&self) -> Result<(), LabError> {
        self.page.click("@lock")?;
        self.page.wait_for_element("@unlock")
    }

    /// Waits until the node is there (`online`) or known to be away (`offline`).
    ///
    /// # Errors
    ///
    /// When it does not come to that.
    pub fn wait_for_node(&self, state: &str) -> Result<(), LabError> {
        self.page
            .wait_for_element(&format!("@node-state[data-state='{state}']"))
    }

    // ---- becoming contacts

    /// Makes an invitation.
    ///
    /// # Errors
    ///
    /// When it is not made.
    pub fn invite(&self, note: &str, with_registration: bool) -> Result<Passed, LabError> {
        let page = &self.page;
        self.wait_for_node("online")?;
        page.click("@invite-open")?;
        page.fill("@invite-note", note)?;
        // Nobody but owner and admins has the switch.
        let on: Option<bool> = page
            .eval_as("document.querySelector('[data-testid=invite-register]')?.checked ?? null")?;
        if on.is_some_and(|on| on != with_registration) {
            page.click("@invite-register")?;
        }
        page.click("@invite-submit")?;
        let link = page.text("@invite-link")?.trim().to_owned();
        let words = page.texts("@invite-words li")?;
        let words: Vec<&str> = words.iter().map(|word| word.trim()).collect();
        page.click("@dialog-close")?;
        page.wait_until_gone("@invite-dialog")?;
        Ok(Passed {
            link,
            words: words.join(" "),
        })
    }

    /// Goes on with a link that somebody passed on.
    ///
    /// # Errors
    ///
    /// When the page does not ask for the words.
    pub fn open_link(&self, link: &str) -> Result<(), LabError> {
        self.page.click("@join-open")?;
        self.page.fill("@join-link", link)?;
        self.page.click("@join-open-link")
    }

    /// Discards the invitation that waits for its words.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn discard_invitation(&self) -> Result<(), LabError> {
        self.page.click("@join-discard")?;
        self.page.wait_until_gone("@join-words")?;
        self.page.click("@dialog-close")?;
        self.page.wait_until_gone("@join-dialog")
    }

    /// Types the words of an invitation.
    ///
    /// # Errors
    ///
    /// When nobody asks for them.
    pub fn type_words(&self, words: &str) -> Result<(), LabError> {
        self.page.fill("@join-words", words)?;
        self.page.click("@join-submit")
    }

    /// The safety number in front of them.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn safety_number(&self) -> Result<String, LabError> {
        let number = self.page.wait_for(
            "document.querySelector('[data-testid=safety-number]')?.innerText",
            "a safety number",
        )?;
        let number = number.as_str().unwrap_or_default();
        Ok(number.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Lets in who waits.
    ///
    /// # Errors
    ///
    /// When nobody waits.
    pub fn approve(&self) -> Result<(), LabError> {
        self.page.click("@approve-yes")
    }

    /// Waits until somebody is a contact.
    ///
    /// # Errors
    ///
    /// When they are not.
    pub fn wait_for_contact(&self, name: &str) -> Result<(), LabError> {
        self.page.wait_for_element(&format!(
            "@contact-item[data-name='{name}'][data-state=active]"
        ))
    }

    // ---- writing

    /// Opens the conversation with a contact.
    ///
    /// # Errors
    ///
    /// When there is no such contact.
    pub fn talk_to(&self, name: &str) -> Result<(), LabError> {
        self.page
            .click(&format!("@contact-item[data-name='{name}']"))?;
        self.page.wait_for_element("@composer")
    }

    /// Writes into the open conversation.
    ///
    /// # Errors
    ///
    /// When no conversation is open.
    pub fn write(&self, text: &str) -> Result<(), LabError> {
        self.page.fill("@composer", text)?;
        self.page.press("Enter")
    }

    /// The messages of the open conversation.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn messages(&self) -> Result<Vec<Shown>, LabError> {
        self.page.eval_as(
            "[...document.querySelectorAll('[data-testid=message]')].map((one) => ({
                mine: one.dataset.mine === 'true',
                text: one.querySelector('.message-text').innerText,
                delivery: one.dataset.delivery,
            }))",
        )
    }

    /// Waits until the open conversation shows these texts, these only, and in this order. A double that comes later
    /// is not seen: whoever looks for one waits first for something that comes behind it.
    ///
    /// # Errors
    ///
    /// When it shows others; they are named.
    pub fn wait_for_conversation<T: AsRef<str>>(&self, texts: &[T]) -> Result<(), LabError> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let find = format!(
            "(() => {{
                const shown = [...document.querySelectorAll('[data-testid=message] .message-text')];
                return JSON.stringify(shown.map((one) => one.innerText)) === {};
            }})()",
            json!(json!(texts).to_string())
        );
        let waited = self.page.wait_for(&find, "the conversation");
        if waited.is_err() {
            let shown: Vec<String> = self.messages()?.into_iter().map(|one| one.text).collect();
            return Err(LabError::Unexpected(format!(
                "the conversation shows {shown:?}, not {texts:?}"
            )));
        }
        Ok(())
    }

    /// Waits until the open conversation shows a text of the other side.
    ///
    /// # Errors
    ///
    /// When it does not come.
    pub fn wait_for_message(&self, text: &str) -> Result<(), LabError> {
        self.wait_for_shown("[data-mine=false]", text, "to arrive")
    }

    /// Waits until a text of one's own has got so far, or farther.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn wait_for_delivery(&self, text: &str, state: &str) -> Result<(), LabError> {
        const STATES: [&str; 4] = ["queued", "sent", "delivered", "read"];
        let reached = STATES.iter().skip_while(|known| **known != state);
        let selector: Vec<String> = reached
            .map(|state| format!("[data-mine=true][data-delivery={state}]"))
            .collect();
        let selector = format!(":is({})", selector.join(","));
        self.wait_for_shown(&selector, text, &format!("to be {state}"))
    }

    fn wait_for_shown(&self, selector: &str, text: &str, what: &str) -> Result<(), LabError> {
        let find = format!(
            "[...document.querySelectorAll('[data-testid=message]{selector} .message-text')]
                .some((one) => one.innerText === {})",
            json!(text)
        );
        self.page.wait_for(&find, &format!("{text:?} {what}"))?;
        Ok(())
    }

    // ---- calling

    /// Calls the contact of the open conversation.
    ///
    /// # Errors
    ///
    /// When that cannot be done.
    pub fn call(&self, video: bool) -> Result<(), LabError> {
        let button = if video { "@call-video" } else { "@call-voice" };
        self.page.click(button)
    }

    /// Takes the call that rings.
    ///
    /// # Errors
    ///
    /// When none does.
    pub fn accept(&self, video: bool) -> Result<(), LabError> {
        let button = if video {
            "@call-accept-video"
        } else {
            "@call-accept"
        };
        self.page.click(button)
    }

    /// Waits until the call is `ringing`, `active`, `ended`, …
    ///
    /// # Errors
    ///
    /// When it does not come to that.
    pub fn wait_for_call(&self, stage: &str) -> Result<(), LabError> {
        self.page
            .wait_for_element(&format!("@call-stage[data-stage={stage}]"))
    }

    /// Waits until the call has ended for this reason, and puts its picture away.
    ///
    /// # Errors
    ///
    /// When it has not.
    pub fn wait_for_end(&self, reason: &str) -> Result<(), LabError> {
        self.page.wait_for_element(&format!(
            "@call-stage[data-stage=ended][data-reason={reason}]"
        ))?;
        self.page.click("@call-dismiss")?;
        self.page.wait_until_gone("@call-stage")
    }

    /// Hangs up.
    ///
    /// # Errors
    ///
    /// When there is no call.
    pub fn hang_up(&self) -> Result<(), LabError> {
        self.page.click("@call-hangup")
    }

    /// What has come and gone so far.
    ///
    /// # Errors
    ///
    /// When the page is gone.
    pub fn media(&self) -> Result<Media, LabError> {
        self.page.eval_as("lab.media()")
    }

    /// Waits until the path of the open link is so, given as JavaScript over `path`.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn wait_for_path(&self, condition: &str) -> Result<Carried, LabError> {
        let look = format!(
            "(async () => {{ const path = await lab.path(); return path && ({condition}) && path; }})()"
        );
        let path = self
            .page
            .wait_for(&look, &format!("a path where {condition}"))?;
        serde_json::from_value(path).map_err(|error| LabError::Unexpected(error.to_string()))
    }

    /// Waits until there is a call with a short number to compare, and gives it.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn call_number(&self) -> Result<String, LabError> {
        let number = self.page.wait_for(
            "document.querySelector('[data-testid=call-number]')?.textContent.trim()",
            "a number of the call",
        )?;
        Ok(number.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the list shows so many contacts; one too many that comes later is not seen.
    ///
    /// # Errors
    ///
    /// When it shows more or fewer.
    pub fn wait_for_contacts(&self, count: usize) -> Result<(), LabError> {
        let find =
            format!("document.querySelectorAll('[data-testid=contact-item]').length === {count}");
        self.page.wait_for(&find, &format!("{count} contacts"))?;
        Ok(())
    }

    /// Waits until a condition holds for [`Media`], given as JavaScript over `now` and `before`.
    ///
    /// # Errors
    ///
    /// When it does not come to hold.
    pub fn wait_for_media(&self, before: Media, condition: &str) -> Result<Media, LabError> {
        let Media {
            frames,
            screen_frames,
            energy,
            sound_packets,
            encoded,
            sent,
            still: _,
        } = before;
        let before = json!({ "frames": frames, "screen_frames": screen_frames, "energy": energy,
            "sound_packets": sound_packets, "encoded": encoded, "sent": sent });
        let look = format!(
            "(async (before) => {{ const now = await lab.media(); return ({condition}) && now; }})({before})"
        );
        let now = self
            .page
            .wait_for(&look, &format!("media where {condition}"))?;
        serde_json::from_value(now).map_err(|error| LabError::Unexpected(error.to_string()))
    }

    /// Waits until nothing of a kind has come while something else went on, both given as JavaScript over `now` and
    /// `before`, and has not come in the same time after it either. What was under way may still come first.
    ///
    /// # Errors
    ///
    /// When it goes on coming.
    pub fn wait_for_rest(&self, still: &str, meanwhile: &str) -> Result<(), LabError> {
        const LOOKS: usize = 4;
        let mut before = self.media()?;
        let mut was_still = false;
        for _ in 0..LOOKS {
            let found = format!("({meanwhile}) && Object.assign(now, {{ still: {still} }})");
            let now = self.wait_for_media(before, &found)?;
            if now.still && was_still {
                return Ok(());
            }
            was_still = now.still;
            before = now;
        }
        Err(LabError::Unexpected(format!(
            "{}: never for long {still} while {meanwhile}: {before:?}",
            self.name
        )))
    }

    /// Waits until pictures of the other side's camera have been decoded, more than there were.
    ///
    /// # Errors
    ///
    /// When none are.
    pub fn sees(&self) -> Result<(), LabError> {
        let before = self.media()?;
        // A connection that was closed meanwhile takes its count along.
        self.wait_for_media(
            before,
            "now.frames >= before.frames + 15 || (now.frames < before.frames && now.frames > 15)",
        )?;
        self.sees_in("@video-remote")
    }

    /// Waits until an element shows a picture with something in it that moves.
    ///
    /// # Errors
    ///
    /// When it stays empty, or still.
    pub fn sees_in(&self, video: &str) -> Result<(), LabError> {
        let id = video.trim_start_matches('@');
        let look = format!(
            "(async () => {{
                const video = document.querySelector('[data-testid={id}]');
                const picture = await lab.picture(video);
                return picture.colours > 8 && picture.changed > 0 && picture;
            }})()"
        );
        self.page
            .wait_for(&look, &format!("a moving picture in {video}"))?;
        Ok(())
    }

    /// Waits until sound has been heard, more than there was.
    ///
    /// # Errors
    ///
    /// When it stays silent.
    pub fn hears(&self) -> Result<(), LabError> {
        let before = self.media()?;
        self.wait_for_media(before, "now.energy > before.energy + 1e-6 || (now.energy < before.energy && now.energy > 1e-6)")?;
        Ok(())
    }

    /// Waits until the call's icon says which way it goes: `same-network`, `direct` or `relay`.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn wait_for_route(&self, route: &str) -> Result<(), LabError> {
        self.page
            .wait_for_element(&format!("@call-route-icon[data-route={route}][data-rtt]"))
    }

    /// Waits until a notice or the text beside a form is of this kind, and gives its words.
    ///
    /// # Errors
    ///
    /// When it is not said.
    pub fn wait_for_words(&self, kind: &str) -> Result<String, LabError> {
        let find = format!(
            "[...document.querySelectorAll('[data-testid=notice][data-kind={kind}] .notice-text p, \
             [data-testid=error-text][data-kind={kind}]')].map((one) => one.innerText).join(' ')"
        );
        let words = self
            .page
            .wait_for(&find, &format!("words of kind {kind}"))?;
        Ok(words.as_str().unwrap_or_default().to_owned())
    }
}

fn open(
    name: &str,
    profile: &Path,
    url: &str,
    config: &PersonConfig,
) -> Result<(Browser, Page), LabError> {
    let browser = Browser::launch(&BrowserConfig {
        profile: Some(profile.to_owned()),
        extra_args: config.extra_args.clone(),
        netns: config.netns.clone(),
        env: config.env.clone(),
        ..BrowserConfig::new(name)
    })?;
    let mut page = browser.new_page("about:blank")?;
    page.set_patience(Duration::from_secs(90));
    if config.any_script {
        page.call("Page.setBypassCSP", &json!({ "enabled": true }))?;
    }
    for script in [WITNESS]
        .into_iter()
        .chain(config.scripts.iter().map(String::as_str))
    {
        page.call(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": script }),
        )?;
    }
    page.navigate(url)?;
    Ok((browser, page))
}

/// Copies a directory; links are left out, as those in a profile only say which process uses it.
///
/// # Errors
///
/// When something cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), LabError> {
    let what = || format!("copy {}", from.display());
    fs::create_dir_all(to).map_err(LabError::io(what()))?;
    for entry in fs::read_dir(from).map_err(LabError::io(what()))? {
        let entry = entry.map_err(LabError::io(what()))?;
        let kind = entry.file_type().map_err(LabError::io(what()))?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).map_err(LabError::io(what()))?;
        }
    }
    Ok(())
}
