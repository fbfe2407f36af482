// SPDX-License-Identifier: MIT OR Apache-2.0
//! A call: ringing, going on, mending, over.

use std::time::Duration;

use hither_browser::Stream;
use hither_endpoint::{CallDirection, CallStage, CallView, Command, ContactView, EndReason};
use leptos::prelude::*;

use super::tiles::{Sound, VideoTile};
use crate::components::{Avatar, Glyph, Icon, IconButton, Modal, RouteBadge};
use crate::dom::{self, clock};
use crate::state::{App, Screen, Tone};
use crate::words;

/// The person at the other end, while there is a call.
fn partner(app: App) -> Memo<Option<ContactView>> {
    Memo::new(move |_| {
        let id = app
            .call
            .with(|call| call.as_ref().map(|call| call.contact))?;
        app.contact_now(id)
    })
}

fn name_of(partner: Memo<Option<ContactView>>) -> Signal<String> {
    Signal::derive(move || {
        partner.with(|partner| {
            partner.as_ref().map_or_else(
                || words::SOMEBODY.to_owned(),
                |partner| partner.name.clone(),
            )
        })
    })
}

fn is(app: App, what: fn(&CallView) -> bool) -> Signal<bool> {
    Memo::new(move |_| app.call.with(|call| call.as_ref().is_some_and(what))).into()
}

/// Somebody calls: in front of everything, with three answers.
#[component]
pub(crate) fn IncomingCall(app: App) -> impl IntoView {
    let open = Memo::new(move |_| app.tone() == Some(Tone::Incoming));
    let partner = partner(app);
    let name = name_of(partner);
    let picture = Memo::new(move |_| partner.with(|partner| partner.as_ref()?.picture.clone()));
    let silent = app.preferences.silent;
    let video = is(app, |call| call.remote_camera);
    Effect::new(move || {
        if open.get() {
            app.speak(words::rings(&name.get_untracked(), video.get_untracked()));
        }
    });
    view! {
        <Modal
            open
            required=true
            on_close=|| ()
            title=Signal::derive(move || format!("{} is calling", name.get()))
            testid="call-incoming"
            class="modal-ring"
        >
            <p class="ring-kind" data-testid="ring-kind" data-video=move || video.get().to_string()>
                <Icon glyph=Signal::derive(move || words::call_glyph(video.get())) />{move || words::call_kind(video.get())}
            </p>
            <div class="ring-person"><Avatar name picture size="huge" /></div>
            <div class="ring-answers">
                <button type="button" class="ring-answer decline" data-testid="call-decline"
                    on:click=move |_| app.send(Command::DeclineCall)>
                    <span class="round"><Icon glyph=Glyph::HangUp /></span>"Decline"
                </button>
                <button type="button" class="ring-answer accept" data-testid="call-accept"
                    on:click=move |_| app.send(Command::AcceptCall { video: false })>
                    <span class="round"><Icon glyph=Glyph::Phone /></span>"Accept"
                </button>
                <button type="button" class="ring-answer accept" data-testid="call-accept-video"
                    on:click=move |_| app.send(Command::AcceptCall { video: true })>
                    <span class="round"><Icon glyph=Glyph::Camera /></span>"With video"
                </button>
            </div>
            <button type="button" class="button quiet" data-testid="ring-silence"
                aria-pressed=move || silent.get().to_string()
                on:click=move |_| silent.update(|silent| *silent = !*silent)>
                <Icon glyph=Signal::derive(move || if silent.get() { Glyph::BellOff } else { Glyph::Bell }) />
                {move || if silent.get() { "Ring tone is off" } else { "Silence the ring tone" }}
            </button>
        </Modal>
    }
}

/// The call beside (or above) everything else.
#[component]
pub(crate) fn CallPanel(app: App, small: RwSignal<bool>) -> impl IntoView {
    // While it rings here, the question in front is the whole picture.
    let shown = Memo::new(move |_| app.tone() != Some(Tone::Incoming));
    let stage = Memo::new(move |_| app.call.with(|call| call.as_ref().map(|call| call.stage)));
    let over = Memo::new(move |_| match stage.get() {
        Some(CallStage::Ended { reason }) => Some(reason),
        _ => None,
    });
    let partner = partner(app);
    let name = name_of(partner);
    view! {
        <Show when=move || shown.get()>
            <section
                class="call"
                data-testid="call-stage"
                data-stage=move || stage.get().map(stage_word)
                data-reason=move || over.get().map(words::end_reason_word)
                aria-label=move || format!("Call with {}", name.get())
            >
                {move || match over.get() {
                    Some(reason) => view! { <Over app partner reason /> }.into_any(),
                    None => view! { <Going app partner stage small /> }.into_any(),
                }}
            </section>
        </Show>
    }
}

fn stage_word(stage: CallStage) -> &'static str {
    match stage {
        CallStage::Calling => "calling",
        CallStage::Ringing => "ringing",
        CallStage::Connecting => "connecting",
        CallStage::Active { .. } => "active",
        CallStage::Reconnecting { .. } => "reconnecting",
        CallStage::Ended { .. } => "ended",
    }
}

/// Why it ended, and what one may want next.
#[component]
fn Over(app: App, partner: Memo<Option<ContactView>>, reason: EndReason) -> impl IntoView {
    let name = name_of(partner);
    let picture = Memo::new(move |_| partner.with(|partner| partner.as_ref()?.picture.clone()));
    let incoming = is(app, |call| call.direction == CallDirection::Incoming);
    // As it was: with our camera if that was on, and as they wanted it if we never answered.
    let video = is(app, |call| {
        let missed = matches!(
            call.stage,
            CallStage::Ended {
                reason: EndReason::Missed
            }
        );
        call.camera || (missed && call.remote_camera)
    });
    let again = move |_| {
        if let Some(contact) =
            partner.with_untracked(|partner| partner.as_ref().map(|partner| partner.id))
        {
            let video = video.get_untracked();
            app.send(Command::DismissCall);
            app.send(Command::Call { contact, video });
        }
    };
    // The way was at fault, perhaps this side's.
    let failed = reason == EndReason::Lost;
    let look = move |_| {
        let contact = partner.with_untracked(|partner| partner.as_ref().map(|partner| partner.id));
        app.send(Command::DismissCall);
        app.go(Screen::Network(contact));
    };
    view! {
        <div class="call-over" role="status">
            <Avatar name picture size="large" />
            <h2>"Call ended"</h2>
            <p>{move || words::end_reason(reason, incoming.get(), &name.get())}</p>
            <div class="actions">
                {failed.then(|| view! {
                    <button type="button" class="button quiet" data-testid="call-network" on:click=look>
                        <Icon glyph=Glyph::Direct />"Your network"
                    </button>
                })}
                <button type="button" class="button" data-testid="call-again" on:click=again>
                    <Icon glyph=Signal::derive(move || words::call_glyph(video.get())) />
                    {move || words::call_anew(false, video.get())}
                </button>
                <button type="button" class="button primary" data-testid="call-dismiss"
                    on:click=move |_| app.send(Command::DismissCall)>
                    "Done"
                </button>
            </div>
        </div>
    }
}

#[component]
fn Going(
    app: App,
    partner: Memo<Option<ContactView>>,
    stage: Memo<Option<CallStage>>,
    small: RwSignal<bool>,
) -> impl IntoView {
    view! {
        <CallHeader app partner stage small />
        <Tiles app partner stage />
        <Controls app small />
    }
}

#[component]
fn CallHeader(
    app: App,
    partner: Memo<Option<ContactView>>,
    stage: Memo<Option<CallStage>>,
    small: RwSignal<bool>,
) -> impl IntoView {
    let name = name_of(partner);
    let route = Memo::new(move |_| app.call.with(|call| call.as_ref()?.route.clone()));
    let number = Memo::new(move |_| app.call.with(|call| call.as_ref()?.number.clone()));
    let caller = Memo::new(move |_| app.call.with(|call| Some(call.as_ref()?.contact)));
    let status = status(app, stage);
    view! {
        <header class="call-header">
            <div class="call-words">
                <h2>{move || name.get()}</h2>
                <p class="call-status" data-testid="call-status" role="timer" aria-live="off">
                    {move || status.get()}
                </p>
            </div>
            <Show when=move || number.with(Option::is_some)>
                <p class="call-number" title=words::CALL_NUMBER>
                    <Icon glyph=Glyph::Shield />
                    <span class="visually-hidden">{words::CALL_NUMBER}</span>
                    <span data-testid="call-number">{move || number.get()}</span>
                </p>
            </Show>
            <Show when=move || route.with(Option::is_some)>
                <RouteBadge route around=app.around(move || caller.get()) testid="call-route-icon" />
            </Show>
            <IconButton
                glyph=Signal::derive(move || if small.get() { Glyph::Grow } else { Glyph::Shrink })
                label=Signal::derive(move || if small.get() { "Show the call in full".to_owned() } else { "Make the call small".to_owned() })
                testid="call-shrink"
                on_press=move || small.update(|small| *small = !*small)
            />
        </header>
    }
}

fn status(app: App, stage: Memo<Option<CallStage>>) -> Signal<String> {
    let now = RwSignal::new(clock::now());
    let tick = set_interval_with_handle(move || now.set(clock::now()), Duration::from_secs(1));
    on_cleanup(move || {
        if let Ok(tick) = tick {
            tick.clear();
        }
    });
    let outgoing = is(app, |call| call.direction == CallDirection::Outgoing);
    Signal::derive(move || match stage.get() {
        Some(CallStage::Calling) => "Calling…".to_owned(),
        Some(CallStage::Ringing) if outgoing.get() => "Ringing…".to_owned(),
        Some(CallStage::Connecting) => "Connecting…".to_owned(),
        Some(CallStage::Active { since }) => clock::duration(since, now.get()),
        Some(CallStage::Reconnecting { since }) => {
            format!("Reconnecting… · {}", clock::duration(since, now.get()))
        }
        _ => String::new(),
    })
}

/// Their picture large, ours small, a screen larger than both.
#[component]
fn Tiles(
    app: App,
    partner: Memo<Option<ContactView>>,
    stage: Memo<Option<CallStage>>,
) -> impl IntoView {
    let name = name_of(partner);
    let picture = Memo::new(move |_| partner.with(|partner| partner.as_ref()?.picture.clone()));
    let flows = Memo::new(move |_| {
        matches!(
            stage.get(),
            Some(CallStage::Active { .. } | CallStage::Reconnecting { .. })
        )
    });
    let remote_camera = is(app, |call| call.remote_camera);
    let remote_screen = is(app, |call| call.remote_screen);
    let remote_silent =
        Signal::derive(move || flows.get() && !is_now(app, |call| call.remote_microphone));
    let camera = is(app, |call| call.camera);
    let screen = is(app, |call| call.screen);
    let seen = Signal::derive(move || remote_camera.get() && flows.get());
    let presented = Signal::derive(move || remote_screen.get() && flows.get());
    let layout = move || match (presented.get(), seen.get()) {
        (true, _) => "screen",
        (false, true) => "camera",
        (false, false) => "voice",
    };
    let reconnecting = move || matches!(stage.get(), Some(CallStage::Reconnecting { .. }));
    let waiting = move || {
        matches!(
            stage.get(),
            Some(CallStage::Calling | CallStage::Ringing | CallStage::Connecting)
        )
    };
    view! {
        <div class="tiles" data-layout=layout data-waiting=move || waiting().to_string()>
            <VideoTile app stream=Stream::RemoteScreen on=presented testid="video-remote-screen" class="tile-screen"
                label=Signal::derive(move || format!("{}’s screen", name.get())) />
            <VideoTile app stream=Stream::RemoteCamera on=seen testid="video-remote" class="tile-remote"
                label=Signal::derive(move || format!("{}’s camera", name.get())) />
            <div class="tile-voice"><Avatar name picture size="huge" /></div>
            <VideoTile app stream=Stream::LocalCamera on=camera testid="video-local" class="tile-local"
                label=Signal::derive(|| "Your camera".to_owned()) />
            <Sound app />
            <div class="tile-notes">
            <Show when=move || remote_silent.get()>
                <p class="tile-note" data-testid="remote-muted">
                    <Icon glyph=Glyph::MicrophoneOff />{move || format!("{} is muted", name.get())}
                </p>
            </Show>
            <Show when=move || screen.get()>
                <p class="tile-note" data-testid="sharing">
                    <Icon glyph=Glyph::Screen />"Your screen is shared"
                </p>
            </Show>
            </div>
            <Show when=reconnecting>
                <p class="tile-mending" data-testid="call-reconnecting" role="status">
                    {words::RECONNECTING}
                </p>
            </Show>
        </div>
    }
}

fn is_now(app: App, what: fn(&CallView) -> bool) -> bool {
    app.call.with(|call| call.as_ref().is_some_and(what))
}

#[component]
fn Controls(app: App, small: RwSignal<bool>) -> impl IntoView {
    let microphone = is(app, |call| call.microphone);
    let camera = is(app, |call| call.camera);
    let screen = is(app, |call| call.screen);
    let either = |on: Signal<bool>, yes: &'static str, no: &'static str| {
        Signal::derive(move || if on.get() { yes } else { no }.to_owned())
    };
    let off_class = |on: Signal<bool>| either(on, "call-button", "call-button is-off");
    view! {
        <div class="call-bar" role="toolbar" aria-label="Call">
            <IconButton
                glyph=Signal::derive(move || if microphone.get() { Glyph::Microphone } else { Glyph::MicrophoneOff })
                label=either(microphone, "Mute (Alt+M)", "Unmute (Alt+M)")
                testid="call-mute"
                class=off_class(microphone)
                pressed=Signal::derive(move || !microphone.get())
                on_press=move || app.send(Command::SetMicrophone { on: !microphone.get_untracked() })
            />
            <IconButton
                glyph=Signal::derive(move || if camera.get() { Glyph::Camera } else { Glyph::CameraOff })
                label=either(camera, "Camera off (Alt+V)", "Camera on (Alt+V)")
                testid="call-camera"
                class=off_class(camera)
                pressed=camera
                on_press=move || app.send(Command::SetCamera { on: !camera.get_untracked() })
            />
            {dom::can_share_screen().then(|| view! {
                <IconButton
                    glyph=Glyph::Screen
                    label=either(screen, "Stop sharing the screen", "Share the screen")
                    testid="call-screen"
                    class=either(screen, "call-button is-on", "call-button")
                    pressed=screen
                    on_press=move || app.send(Command::SetScreen { on: !screen.get_untracked() })
                />
            })}
            <IconButton
                glyph=Glyph::Chat
                label="Messages"
                testid="call-chat"
                class="call-button narrow-only".to_owned()
                on_press=move || small.set(true)
            />
            <IconButton
                glyph=Glyph::HangUp
                label="Hang up (Alt+X)"
                testid="call-hangup"
                class="call-button hang-up".to_owned()
                on_press=move || app.send(Command::HangUp)
            />
        </div>
    }
}
