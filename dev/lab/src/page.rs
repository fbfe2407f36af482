// SPDX-License-Identifier: MIT OR Apache-2.0
//! One tab: what a person does with it, and what a person sees.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::LabError;
use crate::artifacts;
use crate::connection::{Connection, Listener, lock};
use crate::console::{ConsoleLine, Level, exception};
use crate::error::Evidence;
use crate::keys::KeyPress;

/// How long [`Page::wait_for`] waits. A loaded machine takes twenty seconds for a call.
const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(50);

/// Lines of console kept for a page; older ones are forgotten.
const CONSOLE_LIMIT: usize = 10_000;

/// Lines of console in an error.
const CONSOLE_SHOWN: usize = 40;

/// Finds an element, brings it into view, and says where to click: `null` as long as it is not
/// there, not visible, disabled, still moving, or covered by something else.
const AIM: &str = "async (selector) => {
    const element = document.querySelector(selector);
    if (!element || element.matches(':disabled')) return null;
    element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
    const frame = () => new Promise((done) => {
        requestAnimationFrame(done);
        setTimeout(done, 100);
    });
    const before = element.getBoundingClientRect();
    await frame();
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || box.x !== before.x || box.y !== before.y) return null;
    const x = box.x + box.width / 2, y = box.y + box.height / 2;
    const hit = document.elementFromPoint(x, y);
    const label = hit && hit.closest('label');
    const reached = hit && (element.contains(hit) || (label && label.control === element));
    return reached ? { x, y } : null;
}";

/// A tab of a [`Browser`](crate::Browser).
pub struct Page {
    name: String,
    connection: Arc<Connection>,
    session: String,
    target: String,
    heard: Arc<Heard>,
    patience: Duration,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An element as assistive technology sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxNode {
    /// Distance from the root.
    pub depth: usize,
    /// `button`, `textbox`, `heading`, …
    pub role: String,
    /// What is read aloud.
    pub name: String,
    /// What is typed into it.
    pub value: String,
    /// Whether the keyboard can reach it.
    pub focusable: bool,
}

impl Page {
    pub(crate) fn open(name: &str, connection: Arc<Connection>) -> Result<Self, LabError> {
        let created = connection.call(
            None,
            "Target.createTarget",
            // In a window of its own: a tab behind another one paints nothing.
            &json!({ "url": "about:blank", "newWindow": true }),
        )?;
        let target = text_of(&created, "targetId", "Target.createTarget")?;
        let attached = connection.call(
            None,
            "Target.attachToTarget",
            &json!({ "targetId": target, "flatten": true }),
        )?;
        let session = text_of(&attached, "sessionId", "Target.attachToTarget")?;
        let heard = Arc::new(Heard::default());
        let listener: Weak<Heard> = Arc::downgrade(&heard);
        connection.listen(&session, listener);
        let page = Self {
            name: name.to_owned(),
            connection,
            session,
            target,
            heard,
            patience: PATIENCE,
        };
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            page.call(&format!("{domain}.enable"), &json!({}))?;
        }
        page.call(
            "Target.setAutoAttach",
            &json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true }),
        )?;
        page.call(
            "Emulation.setFocusEmulationEnabled",
            &json!({ "enabled": true }),
        )?;
        Ok(page)
    }

    /// Whose page it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes how long [`Page::wait_for`], and whatever waits, waits.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Goes to an address and waits until it has loaded.
    ///
    /// # Errors
    ///
    /// When it cannot be loaded.
    pub fn navigate(&self, url: &str) -> Result<(), LabError> {
        let went = self.call("Page.navigate", &json!({ "url": url }))?;
        if let Some(reason) = went["errorText"].as_str() {
            return Err(LabError::Navigate {
                url: url.to_owned(),
                reason: reason.to_owned(),
            });
        }
        self.wait_until_loaded()
    }

    /// Loads the page again, as F5 does, and waits until it has loaded.
    ///
    /// # Errors
    ///
    /// When it does not load.
    pub fn reload(&self) -> Result<(), LabError> {
        // The new document does not have the mark of the old one.
        self.eval("window.__lab_before_reload = true")?;
        self.call("Page.reload", &json!({}))?;
        self.wait_for(
            "!window.__lab_before_reload && document.readyState === 'complete'",
            "the page to be loaded again",
        )?;
        Ok(())
    }

    fn wait_until_loaded(&self) -> Result<(), LabError> {
        self.wait_for(
            "document.readyState === 'complete'",
            "the page to be loaded",
        )?;
        Ok(())
    }

    /// Closes the tab.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn close(self) -> Result<(), LabError> {
        self.connection.call(
            None,
            "Target.closeTarget",
            &json!({ "targetId": self.target }),
        )?;
        Ok(())
    }

    /// Runs a script in the page, as if a person had just clicked; a promise is awaited. Its value
    /// comes back as JSON.
    ///
    /// # Errors
    ///
    /// When it throws, or the page goes away meanwhile.
    pub fn eval(&self, script: &str) -> Result<Value, LabError> {
        let answer = self.call(
            "Runtime.evaluate",
            &json!({
                "expression": script,
                "awaitPromise": true,
                "returnByValue": true,
                "userGesture": true,
                "replMode": false,
            }),
        )?;
        if let Some(details) = answer.get("exceptionDetails") {
            return Err(LabError::Script {
                message: exception(details),
                script: script.chars().take(400).collect(),
            });
        }
        Ok(answer["result"]["value"].clone())
    }

    /// [`Page::eval`] into a type of one's own.
    ///
    /// # Errors
    ///
    /// Those of [`Page::eval`], and when the value has another shape.
    pub fn eval_as<T: DeserializeOwned>(&self, script: &str) -> Result<T, LabError> {
        let value = self.eval(script)?;
        serde_json::from_value(value)
            .map_err(|error| LabError::Unexpected(format!("{}: {error}: {script}", self.name)))
    }

    /// Calls a JavaScript function, given by its text, with arguments.
    ///
    /// # Errors
    ///
    /// Those of [`Page::eval`].
    pub fn call_function(&self, function: &str, arguments: &[Value]) -> Result<Value, LabError> {
        let arguments: Vec<String> = arguments.iter().map(Value::to_string).collect();
        self.eval(&format!("({function})({})", arguments.join(", ")))
    }

    /// Waits until a JavaScript expression is neither false, `null`, `undefined`, `0` nor `""`,
    /// and gives back its value. `what` completes the sentence "waited in vain for …".
    ///
    /// An expression that throws is asked again: while a page loads, much throws.
    ///
    /// # Errors
    ///
    /// When patience ends: with the page's address, its console and a picture.
    pub fn wait_for(&self, expression: &str, what: &str) -> Result<Value, LabError> {
        self.wait_with(what, || self.eval(expression))
    }

    fn wait_with(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> Result<Value, LabError>,
    ) -> Result<Value, LabError> {
        let deadline = Instant::now() + self.patience;
        loop {
            let last = match attempt() {
                Ok(value) if truthy(&value) => return Ok(value),
                Err(gone @ LabError::BrowserGone(_)) => return Err(gone),
                Ok(value) => value.to_string(),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                return Err(self.in_vain(what, last));
            }
            thread::sleep(POLL);
        }
    }

    fn in_vain(&self, what: &str, last: String) -> LabError {
        let url = self.eval("location.href").unwrap_or_default();
        let lines = self.console();
        let shown = lines.len().saturating_sub(CONSOLE_SHOWN);
        let picture = format!("failures/{}-{}.png", self.name, file_name(what));
        LabError::InVain {
            page: self.name.clone(),
            what: what.to_owned(),
            evidence: Box::new(Evidence {
                url: url.as_str().unwrap_or("(unknown)").to_owned(),
                last,
                console: lines.iter().skip(shown).map(ToString::to_string).collect(),
                screenshot: self.screenshot(picture).ok(),
            }),
        }
    }

    /// Waits until there is such an element, visible or not.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn wait_for_element(&self, selector: &str) -> Result<(), LabError> {
        let find = format!("!!document.querySelector({})", quoted(selector));
        self.wait_for(&find, selector)?;
        Ok(())
    }

    /// Waits until no such element is left.
    ///
    /// # Errors
    ///
    /// When it stays.
    pub fn wait_until_gone(&self, selector: &str) -> Result<(), LabError> {
        let find = format!("!document.querySelector({})", quoted(selector));
        self.wait_for(&find, &format!("{selector} to go away"))?;
        Ok(())
    }

    /// Waits until the element's visible text contains `text`.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn wait_for_text(&self, selector: &str, text: &str) -> Result<(), LabError> {
        let find = format!(
            "(document.querySelector({})?.innerText ?? '').includes({})",
            quoted(selector),
            json!(text)
        );
        self.wait_for(&find, &format!("{selector} to say {text:?}"))?;
        Ok(())
    }

    /// The element's visible text; waits until there is such an element.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn text(&self, selector: &str) -> Result<String, LabError> {
        self.wait_for_element(selector)?;
        self.eval_as(&format!(
            "document.querySelector({})?.innerText ?? ''",
            quoted(selector)
        ))
    }

    /// The visible text of every such element that is there now.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn texts(&self, selector: &str) -> Result<Vec<String>, LabError> {
        self.eval_as(&format!(
            "[...document.querySelectorAll({})].map((element) => element.innerText ?? '')",
            quoted(selector)
        ))
    }

    /// The value of a field; waits until there is such a field.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn value(&self, selector: &str) -> Result<String, LabError> {
        self.wait_for_element(selector)?;
        self.eval_as(&format!(
            "String(document.querySelector({})?.value ?? '')",
            quoted(selector)
        ))
    }

    /// How many such elements are there now.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn count(&self, selector: &str) -> Result<usize, LabError> {
        self.eval_as(&format!(
            "document.querySelectorAll({}).length",
            quoted(selector)
        ))
    }

    /// Clicks in the middle of an element with a real mouse event, as soon as a person could: when
    /// it is there, visible, enabled, at rest and not covered.
    ///
    /// # Errors
    ///
    /// When that moment does not come.
    pub fn click(&self, selector: &str) -> Result<(), LabError> {
        let aim = format!("({AIM})({})", quoted(selector));
        let what = format!("{selector} to be clickable");
        let at = self.wait_with(&what, || self.eval(&aim))?;
        for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            self.call(
                "Input.dispatchMouseEvent",
                &json!({
                    "type": kind,
                    "x": at["x"],
                    "y": at["y"],
                    "button": button,
                    "buttons": buttons,
                    "clickCount": i32::from(button == "left"),
                }),
            )?;
        }
        Ok(())
    }

    /// Presses a key: `Enter`, `Tab`, `Shift+Tab`, `Control+a`, `ArrowDown`, `x`, …
    ///
    /// # Errors
    ///
    /// When there is no such key.
    pub fn press(&self, key: &str) -> Result<(), LabError> {
        self.strike(&KeyPress::parse(key)?)
    }

    fn strike(&self, press: &KeyPress) -> Result<(), LabError> {
        self.call("Input.dispatchKeyEvent", &press.down())?;
        self.call("Input.dispatchKeyEvent", &press.up())?;
        Ok(())
    }

    /// Types into whatever has the focus, key by key; what is on no keyboard is inserted.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn type_text(&self, text: &str) -> Result<(), LabError> {
        for character in text.chars() {
            match KeyPress::of_char(character) {
                Some(press) => self.strike(&press)?,
                None => self.insert(&character.to_string())?,
            }
        }
        Ok(())
    }

    /// Clicks into a field and replaces what is in it, at once, as a paste does, and looks whether it is there:
    /// a page that moved the focus meanwhile gets it once more.
    ///
    /// # Errors
    ///
    /// When the field cannot be clicked, or does not take the text.
    pub fn fill(&self, selector: &str, text: &str) -> Result<(), LabError> {
        let filled = format!(
            "document.querySelector({})?.value === {}",
            quoted(selector),
            json!(text)
        );
        let what = format!("{selector} to take its text");
        self.wait_with(&what, || {
            self.paste(selector, text)?;
            self.eval(&filled)
        })?;
        Ok(())
    }

    fn paste(&self, selector: &str, text: &str) -> Result<(), LabError> {
        self.click(selector)?;
        self.press("Control+a")?;
        self.eval(&format!(
            "document.querySelector({})?.select?.()",
            quoted(selector)
        ))?;
        if text.is_empty() {
            self.press("Delete")
        } else {
            self.insert(text)
        }
    }

    fn insert(&self, text: &str) -> Result<(), LabError> {
        self.call("Input.insertText", &json!({ "text": text }))?;
        Ok(())
    }

    /// Chooses an option of a `<select>` by its value.
    ///
    /// # Errors
    ///
    /// When there is no such field or option.
    pub fn choose(&self, selector: &str, value: &str) -> Result<(), LabError> {
        self.wait_for_element(selector)?;
        let chosen = self.call_function(
            "(selector, value) => {
                const field = document.querySelector(selector);
                field.value = value;
                field.dispatchEvent(new Event('input', { bubbles: true }));
                field.dispatchEvent(new Event('change', { bubbles: true }));
                return field.value === value;
            }",
            &[json!(expanded(selector)), json!(value)],
        )?;
        if chosen == json!(true) {
            Ok(())
        } else {
            Err(LabError::Unexpected(format!(
                "{selector} has no option {value:?}"
            )))
        }
    }

    /// Gives files to an `<input type="file">`, as a person does in the dialog.
    ///
    /// # Errors
    ///
    /// When there is no such field.
    pub fn upload(&self, selector: &str, files: &[PathBuf]) -> Result<(), LabError> {
        self.wait_for_element(selector)?;
        let found = self.call(
            "Runtime.evaluate",
            &json!({ "expression": format!("document.querySelector({})", quoted(selector)) }),
        )?;
        let object = found["result"]["objectId"].clone();
        self.call(
            "DOM.setFileInputFiles",
            &json!({ "files": files, "objectId": object }),
        )?;
        Ok(())
    }

    /// Gives the page another size; `mobile` adds what a phone has: touch and a fine screen.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn set_viewport(&self, width: u32, height: u32, mobile: bool) -> Result<(), LabError> {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({
                "width": width,
                "height": height,
                "deviceScaleFactor": if mobile { 2 } else { 1 },
                "mobile": mobile,
            }),
        )?;
        self.call(
            "Emulation.setTouchEmulationEnabled",
            &json!({ "enabled": mobile }),
        )?;
        Ok(())
    }

    /// Says whether the person prefers a dark screen.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn set_dark(&self, dark: bool) -> Result<(), LabError> {
        let value = if dark { "dark" } else { "light" };
        self.set_media_feature("prefers-color-scheme", value)
    }

    /// Answers a media query's feature, such as `prefers-reduced-motion`.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn set_media_feature(&self, name: &str, value: &str) -> Result<(), LabError> {
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": name, "value": value }] }),
        )?;
        Ok(())
    }

    /// Cuts this page's requests from the network, or joins them again. Sockets that are open stay.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn set_offline(&self, offline: bool) -> Result<(), LabError> {
        self.call("Network.enable", &json!({}))?;
        self.call(
            "Network.emulateNetworkConditions",
            &json!({
                "offline": offline,
                "latency": 0,
                "downloadThroughput": -1,
                "uploadThroughput": -1,
            }),
        )?;
        Ok(())
    }

    /// Saves a picture of what is visible. A relative path is below the artifacts' directory.
    ///
    /// # Errors
    ///
    /// When the browser is gone or the file cannot be written.
    pub fn screenshot(&self, path: impl AsRef<Path>) -> Result<PathBuf, LabError> {
        const METHOD: &str = "Page.captureScreenshot";
        let answer = self.call(METHOD, &json!({ "format": "png" }))?;
        let picture = text_of(&answer, "data", METHOD)?;
        let picture = STANDARD.decode(picture).map_err(|_| LabError::Malformed {
            method: METHOD.to_owned(),
            field: "data",
        })?;
        artifacts::save(path.as_ref(), &picture)
    }

    /// The page as assistive technology sees it, in reading order, without what it skips.
    ///
    /// # Errors
    ///
    /// When the browser is gone.
    pub fn ax_tree(&self) -> Result<Vec<AxNode>, LabError> {
        const METHOD: &str = "Accessibility.getFullAXTree";
        let answer = self.call(METHOD, &json!({}))?;
        let nodes = answer["nodes"]
            .as_array()
            .ok_or_else(|| LabError::Malformed {
                method: METHOD.to_owned(),
                field: "nodes",
            })?;
        let mut tree = Vec::new();
        if let Some(root) = nodes.first() {
            flatten(nodes, root, 0, &mut tree);
        }
        Ok(tree)
    }

    /// Everything that the page and its workers have said so far.
    #[must_use]
    pub fn console(&self) -> Vec<ConsoleLine> {
        lock(&self.heard.lines).clone()
    }

    /// What was said at [`Level::Error`] or worse.
    #[must_use]
    pub fn complaints(&self) -> Vec<ConsoleLine> {
        let mut lines = self.console();
        lines.retain(|line| line.level >= Level::Error);
        lines
    }

    /// Sends any command of the browser's protocol to this page.
    ///
    /// # Errors
    ///
    /// When the browser refuses it.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, LabError> {
        self.connection.call(Some(&self.session), method, params)
    }
}

/// What a page and its workers have said.
#[derive(Debug, Default)]
struct Heard {
    lines: Mutex<Vec<ConsoleLine>>,
    /// Kind and address of each worker.
    workers_by_session: Mutex<BTreeMap<String, String>>,
}

impl Heard {
    /// A worker of the page has started: its console is heard too.
    fn attach(self: Arc<Self>, connection: &Connection, params: &Value) {
        let Some(session) = params["sessionId"].as_str() else {
            return;
        };
        let info = &params["targetInfo"];
        let kind = info["type"].as_str().unwrap_or("worker");
        let url = info["url"].as_str().unwrap_or_default();
        lock(&self.workers_by_session).insert(session.to_owned(), format!("{kind} {url}"));
        let listener: Weak<Self> = Arc::downgrade(&self);
        connection.listen(session, listener);
        for method in ["Runtime.enable", "Log.enable"] {
            connection.post(Some(session), method, &json!({}));
        }
    }
}

impl Listener for Heard {
    fn handle_event(
        self: Arc<Self>,
        connection: &Connection,
        session: &str,
        method: &str,
        params: &Value,
    ) {
        match method {
            "Target.attachedToTarget" => self.attach(connection, params),
            "Page.javascriptDialogOpening" => connection.post(
                Some(session),
                "Page.handleJavaScriptDialog",
                &json!({ "accept": true }),
            ),
            _ => {
                let worker = lock(&self.workers_by_session).get(session).cloned();
                let source = worker.unwrap_or_else(|| "page".to_owned());
                let mut lines = lock(&self.lines);
                if lines.len() < CONSOLE_LIMIT {
                    lines.extend(ConsoleLine::from_event(&source, method, params));
                }
            }
        }
    }
}

/// A selector with `@name` written out.
fn expanded(selector: &str) -> String {
    let mut written = String::with_capacity(selector.len());
    let mut rest = selector;
    while let Some(at) = rest.find('@') {
        let (before, name) = rest.split_at(at);
        let name = &name[1..];
        let end = name
            .find(|character: char| !(character.is_alphanumeric() || "-_".contains(character)))
            .unwrap_or(name.len());
        written.push_str(before);
        written.push_str(&format!("[data-testid=\"{}\"]", &name[..end]));
        rest = &name[end..];
    }
    written.push_str(rest);
    written
}

/// An expanded selector as a JavaScript string.
fn quoted(selector: &str) -> String {
    json!(expanded(selector)).to_string()
}

/// What JavaScript calls true.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn text_of(answer: &Value, field: &'static str, method: &str) -> Result<String, LabError> {
    answer[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| LabError::Malformed {
            method: method.to_owned(),
            field,
        })
}

fn flatten(nodes: &[Value], node: &Value, depth: usize, tree: &mut Vec<AxNode>) {
    let word = |field: &str| node[field]["value"].as_str().unwrap_or_default().to_owned();
    let skipped = node["ignored"] == json!(true);
    if !skipped {
        let properties = node["properties"].as_array();
        let focusable = properties.into_iter().flatten().any(|property| {
            property["name"] == json!("focusable") && property["value"]["value"] == json!(true)
        });
        tree.push(AxNode {
            depth,
            role: word("role"),
            name: word("name"),
            value: word("value"),
            focusable,
        });
    }
    let depth = if skipped { depth } else { depth + 1 };
    for child in node["childIds"].as_array().into_iter().flatten() {
        if let Some(child) = nodes.iter().find(|node| node["nodeId"] == *child) {
            flatten(nodes, child, depth, tree);
        }
    }
}

/// What is left of a sentence in the name of a file.
fn file_name(sentence: &str) -> String {
    let name: String = sentence
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .take(60)
        .collect();
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_stands_for_a_test_id() {
        assert_eq!(expanded("@send"), "[data-testid=\"send\"]");
        assert_eq!(
            expanded("@contacts li, dialog @ok-2:focus"),
            "[data-testid=\"contacts\"] li, dialog [data-testid=\"ok-2\"]:focus"
        );
        assert_eq!(expanded("main > p"), "main > p");
    }

    #[test]
    fn truth_is_what_javascript_says() {
        for value in [json!(null), json!(false), json!(0), json!("")] {
            assert!(!truthy(&value), "{value}");
        }
        for value in [json!(true), json!(-1), json!("no"), json!([]), json!({})] {
            assert!(truthy(&value), "{value}");
        }
    }
}
