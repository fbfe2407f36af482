// SPDX-License-Identifier: MIT OR Apache-2.0
//! The laboratory's own tests: a small page in the real Chromium.

use hither_lab::{BareCall, Browser, BrowserConfig, FileServer, LabError, Level};
use serde_json::{Value, json};

const PAGE: &str = r#"<!doctype html>
<html lang="en"><title>Lab</title>
<style>@media (prefers-color-scheme: dark) { body { background: black; } }</style>
<h1>Laboratory</h1>
<label>Name <input data-testid="name"></label>
<button data-testid="greet">Greet</button>
<p data-testid="greeting"></p>
<input type="file" data-testid="file" hidden>
<a data-testid="save" download="note.txt" href="data:text/plain,written">save</a>
<div style="height: 3000px"></div>
<button data-testid="below">Far below</button>
<dialog data-testid="cover" aria-label="In the way"><button data-testid="away">Away</button></dialog>
<script type="module">
const $ = (id) => document.querySelector(`[data-testid="${id}"]`);
const say = (text) => { $('greeting').textContent = text; };
$('greet').onclick = (event) => say(`Hello, ${$('name').value}! ${event.isTrusted}`);
$('below').onclick = () => $('cover').showModal();
$('away').onclick = () => setTimeout(() => $('cover').close(), 300);
$('name').onkeydown = (event) => { if (event.key === 'Enter') $('greet').click(); };
$('file').onchange = async () => say(await $('file').files[0].text());
window.frames_of = async () => {
    const video = document.createElement('video');
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    await video.play();
    let frames = 0;
    await new Promise((done) => {
        const count = () => (++frames === 10 ? done() : video.requestVideoFrameCallback(count));
        video.requestVideoFrameCallback(count);
    });
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return { frames, colours: new Set(new Uint32Array(pixels.buffer)).size };
};
</script>"#;

const WORKER: &str = "console.log('from the worker'); postMessage('ready');";

fn serve() -> Result<FileServer, LabError> {
    FileServer::start([("/", PAGE), ("/worker.js", WORKER)])
}

fn open(name: &str) -> Result<(FileServer, Browser, hither_lab::Page), LabError> {
    let server = serve()?;
    let browser = Browser::launch(&BrowserConfig::new(name))?;
    let page = browser.new_page(&server.url("/"))?;
    Ok((server, browser, page))
}

#[test]
fn a_person_types_and_clicks() -> Result<(), LabError> {
    let (_server, _browser, page) = open("typist")?;
    page.click("@name")?;
    page.type_text("Ana Ñ")?;
    page.click("@greet")?;
    assert_eq!(page.text("@greeting")?, "Hello, Ana Ñ! true");

    page.fill("@name", "Ben")?;
    page.press("Enter")?;
    page.wait_for_text("@greeting", "Hello, Ben!")?;
    page.press("Control+a")?;
    page.press("Backspace")?;
    assert_eq!(page.value("@name")?, "");
    page.press("Tab")?;
    assert_eq!(
        page.eval("document.activeElement.dataset.testid")?,
        json!("greet")
    );
    Ok(())
}

#[test]
fn a_click_waits_until_nothing_is_in_the_way() -> Result<(), LabError> {
    let (_server, _browser, page) = open("clicker")?;
    page.click("@below")?;
    page.wait_for_element("@cover[open]")?;
    page.click("@away")?;
    // The dialog closes a moment later, and makes everything behind it inert until then.
    page.click("@greet")?;
    assert_eq!(page.text("@greeting")?, "Hello, ! true");
    Ok(())
}

#[test]
fn the_fake_camera_shows_moving_pictures() -> Result<(), LabError> {
    let (_server, _browser, page) = open("camera")?;
    let seen = page.eval("frames_of()")?;
    assert_eq!(seen["frames"], json!(10));
    assert!(seen["colours"].as_u64() > Some(2), "{seen}");
    Ok(())
}

#[test]
fn two_profiles_share_nothing_and_a_profile_outlives_its_browser() -> Result<(), LabError> {
    let server = serve()?;
    let ana = Browser::launch(&BrowserConfig::new("ana"))?;
    let kept = tempfile::tempdir().map_err(|error| LabError::Unexpected(error.to_string()))?;
    let config = BrowserConfig {
        profile: Some(kept.path().to_owned()),
        ..BrowserConfig::new("ben")
    };
    let ben = Browser::launch(&config)?;
    let at_ana = ana.new_page(&server.url("/"))?;
    let at_ben = ben.new_page(&server.url("/"))?;
    at_ben.eval("localStorage.setItem('who', 'ben')")?;
    assert_eq!(at_ana.eval("localStorage.getItem('who')")?, Value::Null);
    assert_eq!(at_ben.eval("localStorage.getItem('who')")?, json!("ben"));

    ben.close()?;
    let ben = Browser::launch(&config)?;
    let at_ben = ben.new_page(&server.url("/"))?;
    assert_eq!(at_ben.eval("localStorage.getItem('who')")?, json!("ben"));
    Ok(())
}

#[test]
fn two_browsers_see_and_hear_each_other() -> Result<(), LabError> {
    let server = serve()?;
    let ana = Browser::launch(&BrowserConfig::new("ana"))?;
    let ben = Browser::launch(&BrowserConfig::new("ben"))?;
    let at_ana = ana.new_page(&server.url("/"))?;
    let at_ben = ben.new_page(&server.url("/"))?;
    let call = BareCall::place(&at_ana, &at_ben)?;
    // The fake microphone beeps once a second.
    for page in [&at_ana, &at_ben] {
        page.wait_for(
            "bare.received().then(({ frames, energy }) => frames > 30 && energy > 0)",
            "pictures and sound",
        )?;
    }
    let [at_caller, at_callee] = call.received()?;
    assert!(at_caller.frames > 30 && at_callee.frames > 30);
    assert!(call.first_frame_ms > 0.0);
    call.hang_up()
}

#[test]
fn a_killed_browser_is_noticed() -> Result<(), LabError> {
    let (_server, mut browser, page) = open("killed")?;
    browser.kill();
    let gone = page.wait_for("false", "a dead browser to answer");
    assert!(matches!(gone, Err(LabError::BrowserGone(_))), "{gone:?}");
    Ok(())
}

#[test]
fn consoles_of_pages_and_workers_are_heard() -> Result<(), LabError> {
    let (_server, _browser, page) = open("listener")?;
    page.eval("console.warn('careful', { a: 1 }); setTimeout(() => { throw new Error('oh') }, 0)")?;
    page.eval("new Promise((done) => { new Worker('/worker.js').onmessage = done })")?;
    let heard = |level: Level, text: &str| {
        page.console()
            .iter()
            .any(|line| line.level == level && line.text.contains(text))
    };
    assert!(heard(Level::Warning, "careful"), "{:?}", page.console());
    assert!(heard(Level::Exception, "oh"), "{:?}", page.console());
    // The worker's console is attached on its own time.
    for _ in 0..1200 {
        if heard(Level::Info, "from the worker") {
            break;
        }
        page.eval("new Promise((done) => setTimeout(done, 50))")?;
    }
    assert!(
        heard(Level::Info, "from the worker"),
        "{:?}",
        page.console()
    );
    assert!(!page.complaints().is_empty());
    Ok(())
}

#[test]
fn what_was_waited_for_in_vain_is_reported_with_evidence() -> Result<(), LabError> {
    let (_server, _browser, mut page) = open("impatient")?;
    page.set_patience(std::time::Duration::from_millis(200));
    page.eval("console.log('a clue')")?;
    let Err(error) = page.wait_for("1 > 2", "one to exceed two") else {
        return Err(LabError::Unexpected("it came".to_owned()));
    };
    let words = error.to_string();
    for evidence in ["impatient", "one to exceed two", "false", "a clue", ".png"] {
        assert!(words.contains(evidence), "{words}");
    }
    Ok(())
}

#[test]
fn files_go_in_and_out() -> Result<(), LabError> {
    let (_server, browser, page) = open("files")?;
    let dir = tempfile::tempdir().map_err(|error| LabError::Unexpected(error.to_string()))?;
    let path = dir.path().join("letter.txt");
    std::fs::write(&path, "dear lab").expect("a file");
    page.upload("@file", &[path])?;
    page.wait_for_text("@greeting", "dear lab")?;

    page.click("@save")?;
    let saved = browser.wait_for_download("note.txt")?;
    assert_eq!(std::fs::read_to_string(saved).expect("a file"), "written");
    Ok(())
}

#[test]
fn a_page_can_be_a_phone_in_the_dark() -> Result<(), LabError> {
    let (_server, _browser, page) = open("phone")?;
    page.set_viewport(390, 844, true)?;
    page.set_dark(true)?;
    let look = page.eval(
        "({ width: innerWidth, dark: matchMedia('(prefers-color-scheme: dark)').matches,
            touch: navigator.maxTouchPoints > 0 })",
    )?;
    assert_eq!(look["dark"], json!(true));
    assert_eq!(look["touch"], json!(true));
    let picture = page.screenshot("lab/phone.png")?;
    let bytes = std::fs::read(picture).expect("a picture");
    assert!(bytes.starts_with(b"\x89PNG"));
    page.reload()?;
    page.click("@greet")?;
    page.wait_for_text("@greeting", "Hello")?;
    Ok(())
}

#[test]
fn names_and_roles_are_read_as_a_screen_reader_does() -> Result<(), LabError> {
    let (_server, _browser, page) = open("reader")?;
    page.fill("@name", "Ana")?;
    let tree = page.ax_tree()?;
    let field = tree.iter().find(|node| node.role == "textbox");
    let field = field.expect("a text box");
    assert_eq!((field.name.as_str(), field.value.as_str()), ("Name", "Ana"));
    assert!(field.focusable);
    assert!(
        tree.iter()
            .any(|node| node.role == "button" && node.name == "Greet")
    );
    Ok(())
}
